"""Power: battery and power saving can each halve a laptop's speed."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from localai.hardware.facts import Fact, Power
from localai.hardware.readers import read_integer, read_text

PMSET: Final = ("/usr/bin/pmset", "-g")
CAFFEINATE: Final = "/usr/bin/caffeinate"
_NO_BATTERY: Final = "there is no battery"


@contextlib.contextmanager
def kept_awake() -> Iterator[None]:
    """Keep a Mac from falling asleep by itself while the block runs, and no longer than this
    process lives. Elsewhere, and where the program is not to be had, nothing is done."""
    if not (_is_mac() and Path(CAFFEINATE).exists()):
        yield
        return
    import subprocess

    from localai.privacy.environment import child_environment
    from localai.privacy.guard import child

    try:
        with child("keep the machine awake"):
            awake = subprocess.Popen(
                [CAFFEINATE, "-i", "-w", str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=child_environment(),
            )
    except OSError:
        yield
        return
    try:
        yield
    finally:
        awake.terminate()
        awake.wait()


def _is_mac() -> bool:
    return sys.platform == "darwin"


def linux_power(root: Path = Path("/")) -> Power:
    """The power that sysfs at `root` shows: batteries, mains, ACPI's profile, the CPU's
    governor."""
    battery, percent = _battery(root)
    governor = (
        read_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or ""
    ).strip()
    profile = (read_text(root / "sys/firmware/acpi/platform_profile") or "").strip()
    saving = profile in ("low-power", "quiet", "cool")
    return Power(
        on_battery=battery,
        battery_percent=percent,
        low_power_mode=Fact.of(
            saving if profile else None, "/sys/firmware/acpi/platform_profile", "inferred"
        ),
        governor=Fact.of(governor or None, "sysfs scaling_governor"),
    )


def psutil_power(settings: str | None = None) -> Power:
    """The power by psutil, on systems without sysfs; `settings` is the output of macOS's `pmset
    -g`."""
    import psutil

    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    low = None if settings is None else parse_low_power_mode(settings)
    on_battery = None if battery is None or battery.power_plugged is None else battery.power_plugged
    return Power(
        on_battery=Fact(False, _NO_BATTERY, "inferred")
        if battery is None
        else Fact.of(None if on_battery is None else not on_battery, "psutil"),
        battery_percent=Fact.of(None if battery is None else float(battery.percent), "psutil"),
        low_power_mode=Fact.of(low, "pmset"),
        governor=Fact.unknown("not a notion of this system"),
    )


def parse_low_power_mode(settings: str) -> bool | None:
    """Whether `pmset -g` shows Low Power Mode in force; None if it does not say.

    `lowpowermode 1` or, on machines with a third mode, `powermode 1`.
    """
    match = re.search(r"^[ \t]*(?:lowpowermode|powermode)[ \t]+(\d)\b", settings, re.M)
    return None if match is None else match[1] == "1"


def _battery(root: Path) -> tuple[Fact[bool], Fact[float]]:
    """Whether the machine runs on a battery, and how full it is."""
    folder = root / "sys/class/power_supply"
    supplies = sorted(folder.iterdir()) if folder.is_dir() else []
    kinds = {supply: (read_text(supply / "type") or "").strip() for supply in supplies}
    # The battery of a mouse or a headset has the scope "Device".
    batteries = [
        supply
        for supply, kind in kinds.items()
        if kind == "Battery" and (read_text(supply / "scope") or "").strip() != "Device"
    ]
    if not batteries:
        return Fact(False, _NO_BATTERY, "inferred"), Fact.unknown(_NO_BATTERY)
    source = "/sys/class/power_supply"
    percent = read_integer(batteries[0] / "capacity")
    online = [
        read_integer(supply / "online")
        for supply, kind in kinds.items()
        if kind in ("Mains", "USB")
    ]
    states = {(read_text(supply / "status") or "").strip() for supply in batteries}
    if any(online):
        fed_by_battery: bool | None = False
    elif "Discharging" in states:
        fed_by_battery = True
    else:
        fed_by_battery = None if not states - {"", "Unknown"} else False
    return (
        Fact.of(fed_by_battery, source),
        Fact.of(None if percent is None else float(percent), source),
    )

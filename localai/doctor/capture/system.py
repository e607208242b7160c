"""The machine by `localai.hardware`, and the present state of its kernel."""

from __future__ import annotations

import platform
import re
import sys
import time
from pathlib import Path

from localai.doctor.capture.context import Context
from localai.doctor.facts.machine import Kernel
from localai.hardware.facts import Machine
from localai.hardware.readers import ask_program, read_integer, read_text
from localai.hardware.this_machine import this_machine

# Typed as a plain text, so that mypy checks the branches of both systems.
_PLATFORM: str = sys.platform
_THROTTLES = "thermal_throttle/package_throttle_count"
_WATCHED_S = 0.2


def machine(context: Context) -> Machine:
    """The facts of the machine. Nothing is measured."""
    return this_machine(context.paths, "never")


def kernel(context: Context) -> Kernel:
    """The state of the system, as /proc and /sys show it."""
    root = context.root
    is_mac = _PLATFORM == "darwin"
    return Kernel(
        memory_pressure_60s=_pressure(root / "proc/pressure/memory", "avg60"),
        cpu_pressure_10s=_pressure(root / "proc/pressure/cpu", "avg10"),
        suspended_s=_suspended_s(),
        oom_kills=_oom_kills(root),
        throttled=_throttled(root),
        user_namespaces=_user_namespaces(root),
        init=(read_text(root / "proc/1/comm") or "").strip() or None,
        mac_version=platform.mac_ver()[0] if is_mac else "",
        now=time.time(),
    )


def _pressure(file: Path, average: str) -> float | None:
    match = re.search(rf"^some .*\b{average}=(\d+(?:\.\d+)?)\b", read_text(file) or "", re.M)
    return None if match is None else float(match[1])


def _suspended_s() -> float | None:
    """The seconds that this machine has slept since it was started."""
    if _PLATFORM != "linux":
        return None
    asleep = time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    # The two clocks are read one after the other.
    return round(asleep, 1) if asleep > 1 else 0.0


def _oom_kills(root: Path) -> int | None:
    """The number of processes that the kernel killed for lack of memory in our control group or one
    below it."""
    for line in (read_text(root / "proc/self/cgroup") or "").splitlines():
        if line.startswith("0::"):
            folder = root / "sys/fs/cgroup" / line[3:].strip().lstrip("/")
            events = read_text(folder / "memory.events") or ""
            match = re.search(r"^oom_kill (\d+)$", events, re.M)
            return None if match is None else int(match[1])
    return None


def _throttled(root: Path) -> bool | None:
    """Whether the processor slows itself for its heat now. On Linux, its counter rises
    meanwhile."""
    if _PLATFORM == "darwin":
        limit = re.search(
            r"CPU_Speed_Limit\s*=\s*(\d+)", ask_program("pmset", "-g", "therm").output
        )
        return None if limit is None else int(limit[1]) < 100
    counts = sorted((root / "sys/devices/system/cpu").glob(f"cpu[0-9]*/{_THROTTLES}"))
    if not counts:
        return False
    before = list(map(read_integer, counts))
    time.sleep(_WATCHED_S)
    return before != list(map(read_integer, counts))


def _user_namespaces(root: Path) -> bool | None:
    if _PLATFORM != "linux":
        return None
    most = read_integer(root / "proc/sys/user/max_user_namespaces")
    cloned = read_integer(root / "proc/sys/kernel/unprivileged_userns_clone")
    armored = read_integer(root / "proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    return most != 0 and cloned != 0 and armored != 1

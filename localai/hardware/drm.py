"""Graphics processors as Linux's sysfs shows them: AMD's with two kinds of memory, Intel's, and an
NVIDIA one without its own driver.

AMD's VRAM and GTT are kept apart: on an APU the first is a small carve-out, and models lie in the
second, which is main memory. Adding them up, or adding either to main memory, counts memory twice.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from localai.hardware.facts import Fact, Gpu
from localai.hardware.nvidia import Found
from localai.hardware.readers import read_integer, read_text
from localai.hardware.specified_bandwidth import bandwidth_of_card

_VENDORS: Final = {"0x1002": "AMD", "0x8086": "Intel", "0x10de": "NVIDIA"}
_PCI_NAMES: Final = ("usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids")
# A discrete card rarely has less memory than this, a carve-out rarely more.
_LARGEST_CARVE_OUT: Final = 4 << 30


def drm_gpus(root: Path = Path("/"), *, nvidia_known: bool = False) -> Found:
    """The cards under /sys/class/drm at `root`. NVIDIA's are left out if `nvidia_known`: their
    own driver has described them."""
    gpus: list[Gpu] = []
    problems: list[str] = []
    for device in sorted(root.glob("sys/class/drm/card[0-9]*/device")):
        vendor = _VENDORS.get((read_text(device / "vendor") or "").strip())
        if vendor is None or not re.fullmatch(r"card\d+", device.parent.name):
            continue
        driver = _driver(device)
        if vendor == "NVIDIA":
            if not nvidia_known:
                problems.append(
                    f"An NVIDIA GPU is there, but its driver is not (in use: {driver or 'none'})"
                )
            continue
        usable, refused = _interfaces(root, device, vendor)
        problems.extend(refused)
        gpus.append(_gpu(root, device, vendor, driver, usable))
    return Found(tuple(gpus), tuple(dict.fromkeys(problems)))


def pci_name(names: str, vendor: str, device: str) -> str | None:
    """The name of `vendor:device` (four hex digits each) in the text of pci.ids."""
    section = re.search(rf"^{re.escape(vendor)}  .*\n((?:[\t#].*\n|\n)*)", names, re.M | re.I)
    match = section and re.search(rf"^\t{re.escape(device)}  (.+)$", section[1], re.M | re.I)
    return match[1] if match else None


def _gpu(root: Path, device: Path, vendor: str, driver: str | None, usable: tuple[str, ...]) -> Gpu:
    vram = read_integer(device / "mem_info_vram_total")
    used = read_integer(device / "mem_info_vram_used")
    gtt = read_integer(device / "mem_info_gtt_total")
    free = None if vram is None or used is None else vram - used
    name = _name(root, device, vendor)
    return Gpu(
        name=name,
        vendor=Fact(vendor, "sysfs vendor"),
        memory_total_bytes=Fact.of(vram, "sysfs mem_info_vram_total"),
        memory_free_bytes=Fact.of(free, "sysfs mem_info_vram_used", "measured"),
        shared_memory_bytes=Fact.of(gtt, "sysfs mem_info_gtt_total"),
        memory_bandwidth=bandwidth_of_card(name.value or "", "sysfs does not say"),
        unified=_unified(device, vendor, vram, gtt),
        cores=Fact.unknown("sysfs does not say"),
        driver=Fact.of(driver, "sysfs driver"),
        compute_capability=Fact.unknown("sysfs does not say"),
        usable_by=Fact(usable, "access to /dev/kfd and /dev/dri", "inferred"),
    )


def _unified(device: Path, vendor: str, vram: int | None, gtt: int | None) -> Fact[bool]:
    if vendor == "Intel":
        on_board = "PCI_SLOT_NAME=0000:00:02.0\n" in (read_text(device / "uevent") or "")
        return Fact(on_board, "the PCI address of Intel's on-board graphics", "inferred")
    # The kernel names the maker of a card's memory chips; for an APU's it says "unknown" or
    # nothing.
    maker = (read_text(device / "mem_info_vram_vendor") or "").strip()
    if maker not in ("", "unknown"):
        return Fact(False, "sysfs mem_info_vram_vendor", "inferred")
    if vram is not None and gtt is not None and vram <= min(gtt, _LARGEST_CARVE_OUT):
        return Fact(True, "a small VRAM beside a larger GTT", "inferred")
    return Fact.unknown("sysfs does not say")


def _name(root: Path, device: Path, vendor: str) -> Fact[str]:
    if product := (read_text(device / "product_name") or "").strip():
        return Fact(product, "sysfs product_name")
    number = (read_text(device / "device") or "").strip().removeprefix("0x")
    maker = (read_text(device / "vendor") or "").strip().removeprefix("0x")
    for place in _PCI_NAMES:
        if (names := read_text(root / place)) and (name := pci_name(names, maker, number)):
            return Fact(f"{vendor} {name}", f"/{place}")
    return Fact(f"{vendor} GPU {maker}:{number}", "sysfs device", "inferred")


def _driver(device: Path) -> str | None:
    uevent = read_text(device / "uevent") or ""
    match = re.search(r"^DRIVER=(\S+)$", uevent, re.M)
    return match[1] if match else None


def _interfaces(root: Path, device: Path, vendor: str) -> tuple[tuple[str, ...], list[str]]:
    """The interfaces of `device` that this user can open, and a sentence for each that they may
    not."""
    usable: list[str] = []
    problems: list[str] = []
    wanted = [("Vulkan", root / "dev/dri" / node.name) for node in device.glob("drm/renderD*")]
    if vendor == "AMD":
        wanted.insert(0, ("ROCm", root / "dev/kfd"))
    for interface, node in wanted:
        if not node.exists():
            continue
        if os.access(node, os.R_OK | os.W_OK):
            usable.append(interface)
        else:
            name = f"/{node.relative_to(root)}"
            problems.append(f"{name} may not be opened by this user: add it to the group render")
    return tuple(usable), problems

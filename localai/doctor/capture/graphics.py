"""The software between a program and a graphics processor: drivers, libraries, device files."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from localai.doctor.capture.context import Context
from localai.doctor.facts.machine import DeviceNode, Graphics
from localai.hardware.readers import ask_program, read_text

# Typed as a plain text, so that mypy checks the branches of both systems.
_PLATFORM: str = sys.platform
_VENDORS: Final = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
_DISPLAY_CLASSES: Final = ("0x0300", "0x0302", "0x0380")
_NODES: Final = ("dev/nvidia0", "dev/nvidiactl", "dev/nvidia-uvm", "dev/kfd", "dev/dxg")
LIBRARY_FOLDERS: Final = (
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib64",
    "usr/lib",
    "lib/x86_64-linux-gnu",
)
# Without NVIDIA's persistence daemon, nvidia-smi takes a second or two for each card.
_SMI_LIMIT_S: Final = 6.0
_WSL: Final = "usr/lib/wsl/lib"


def graphics(context: Context) -> Graphics:
    """The drivers and libraries that are here. On a Mac they are part of the system."""
    root = context.root
    vendors, drivers = _display_devices(root)
    smi, words = _ask_smi()
    return Graphics(
        pci_vendors=vendors,
        kernel_drivers=drivers,
        nvidia_module=_nvidia_module(root),
        nvidia_library=_nvidia_library(root),
        smi=smi,
        smi_words=words,
        nodes=tuple(_nodes(root)),
        groups=_group_names(),
        group_ids=tuple(sorted({*os.getgroups(), os.getgid()})),
        rocm=(read_text(root / "opt/rocm/.info/version") or "").strip().partition("-")[0],
        wsl_library=(root / _WSL / "libcuda.so.1").exists(),
        native_library_in_wsl=any(_native_libraries(root)),
        vulkan_drivers=_vulkan_drivers(root),
        targets=tuple(_targets(root)),
    )


def _display_devices(root: Path) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    if _PLATFORM == "darwin":
        return (), ()
    folder = root / "sys/bus/pci/devices"
    if not folder.is_dir():
        return None, None
    vendors: list[str] = []
    drivers: list[str] = []
    for device in sorted(folder.iterdir()):
        if (read_text(device / "class") or "").strip()[:6] not in _DISPLAY_CLASSES:
            continue
        vendor = (read_text(device / "vendor") or "").strip()
        vendors.append(_VENDORS.get(vendor, vendor))
        match = re.search(r"^DRIVER=(\S+)$", read_text(device / "uevent") or "", re.M)
        if match:
            drivers.append(match[1])
    return tuple(vendors), tuple(drivers)


def _nvidia_module(root: Path) -> str:
    text = read_text(root / "proc/driver/nvidia/version") or ""
    match = re.search(r"Kernel Module(?: for \S+)?\s+(\d+(?:\.\d+)+)", text)
    return match[1] if match else ""


def _nvidia_library(root: Path) -> str:
    """The version in the name of NVML's own file, which is the installed driver's version."""
    for folder in LIBRARY_FOLDERS:
        for file in sorted((root / folder).glob("libnvidia-ml.so.*.*")):
            return file.name.removeprefix("libnvidia-ml.so.")
    return ""


def _native_libraries(root: Path) -> Iterator[Path]:
    for folder in LIBRARY_FOLDERS:
        yield from (root / folder).glob("libcuda.so.*.*")


def _ask_smi() -> tuple[Literal["answers", "hangs", "fails", "absent"], str]:
    answer = ask_program("nvidia-smi", "-L", limit_s=_SMI_LIMIT_S)
    if answer.ended != "exited":
        return answer.ended, ""
    words = " ".join(answer.output.split())[:200]
    # `-L` names each card with its serial number.
    return ("answers", "") if answer.status == 0 else ("fails", words)


def _nodes(root: Path) -> Iterator[DeviceNode]:
    renderers = sorted((root / "dev/dri").glob("renderD*")) if (root / "dev/dri").is_dir() else []
    for path in (*(root / each for each in _NODES), *renderers):
        try:
            group = path.stat().st_gid
        except OSError:
            continue
        usable = os.access(path, os.R_OK | os.W_OK)
        yield DeviceNode(f"/{path.relative_to(root)}", usable, _group_name(group), group)


def _group_names() -> tuple[str, ...]:
    return tuple(sorted(_group_name(group) for group in {*os.getgroups(), os.getgid()}))


def _group_name(group: int) -> str:
    import grp

    try:
        return grp.getgrgid(group).gr_name
    except KeyError:
        return str(group)


def _vulkan_drivers(root: Path) -> tuple[str, ...]:
    folders = ("usr/share/vulkan/icd.d", "etc/vulkan/icd.d")
    return tuple(file.stem for folder in folders for file in sorted((root / folder).glob("*.json")))


def _targets(root: Path) -> Iterator[str]:
    """AMD's targets: `gfx_target_version 90010` is gfx90a, with two decimal digits each for minor
    and step."""
    for file in sorted((root / "sys/class/kfd/kfd/topology/nodes").glob("*/properties")):
        match = re.search(r"^gfx_target_version (\d+)$", read_text(file) or "", re.M)
        if match and int(match[1]):
            version = int(match[1])
            yield f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"

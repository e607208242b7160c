"""The operating system: which one, and whether it runs in a container, a virtual machine or WSL, or
Python under Rosetta."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from localai.hardware.facts import Disk, Fact, Host
from localai.hardware.readers import read_text

_CONTAINER_MARKS: Final = {
    "docker": "docker",
    "kubepods": "kubernetes",
    "libpod": "podman",
    "lxc": "lxc",
    "containerd": "containerd",
}
# A text in DMI's vendor or product, and the virtual machine that it identifies.
_MACHINE_MARKS: Final = {
    "qemu": "kvm",
    "kvm": "kvm",
    "vmware": "vmware",
    "virtualbox": "virtualbox",
    "innotek": "virtualbox",
    "microsoft corporation virtual machine": "hyper-v",
    "amazon ec2": "amazon",
    "google compute engine": "google",
    "xen": "xen",
    "parallels": "parallels",
    "bochs": "bochs",
    "firecracker": "firecracker",
}


def linux_host(root: Path = Path("/"), *, live: bool = True) -> Host:
    """The system that the files at `root` show; `live` also uses what Python knows of the running
    system."""
    release = read_text(root / "etc/os-release") or ""
    name = re.search(r'^PRETTY_NAME="?([^"\n]+)"?$', release, re.M)
    version = (read_text(root / "proc/version") or "").strip()
    kernel = re.match(r"Linux version (\S+)", version)
    return Host(
        operating_system=Fact.of(name[1] if name else "Linux", "/etc/os-release"),
        kernel=Fact.of(kernel[1] if kernel else None, "/proc/version"),
        architecture=Fact.of(platform.machine() if live else None, "uname"),
        libc=_libc(root, live=live),
        container=_container(root, os.environ if live else {}),
        virtual_machine=_virtual_machine(root),
        wsl=Fact("microsoft" in version.lower(), "/proc/version"),
        rosetta=Fact(False, "only macOS has it"),
    )


def mac_host(values: Mapping[str, str]) -> Host:
    """A Mac's system, from the output of `sysctl`."""
    translated = values.get("sysctl.proc_translated")
    virtual = values.get("kern.hv_vmm_present")
    return Host(
        operating_system=Fact(f"macOS {platform.mac_ver()[0]}".strip(), "SystemVersion.plist"),
        kernel=Fact(platform.release(), "uname"),
        architecture=Fact(platform.machine(), "uname"),
        libc=Fact.unknown("part of macOS"),
        container=Fact("", "macOS runs no containers of its own", "inferred"),
        virtual_machine=Fact.of(
            {"1": "apple", "0": ""}.get(virtual or ""), "sysctl kern.hv_vmm_present"
        ),
        wsl=Fact(False, "only Windows has it"),
        rosetta=Fact.of(
            {"1": True, "0": False}.get(translated or "0"), "sysctl sysctl.proc_translated"
        ),
    )


def portable_host() -> Host:
    """What Python alone knows of any other system."""
    nothing = f"not known on {platform.system()}"
    return Host(
        operating_system=Fact(f"{platform.system()} {platform.version()}", "Python"),
        kernel=Fact(platform.release(), "Python"),
        architecture=Fact(platform.machine(), "Python"),
        libc=Fact.unknown(nothing),
        container=Fact.unknown(nothing),
        virtual_machine=Fact.unknown(nothing),
        wsl=Fact(False, "this is no Linux"),
        rosetta=Fact(False, "only macOS has it"),
    )


def disk_at(folder: Path) -> Disk:
    """The file system that holds `folder`, or that will hold it: that of its nearest existing
    parent."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    usage = shutil.disk_usage(place)
    return Disk(
        folder=Fact(str(folder), "as asked"),
        total_bytes=Fact(usage.total, "statvfs"),
        free_bytes=Fact(usage.free, "statvfs", "measured"),
    )


def _libc(root: Path, *, live: bool) -> Fact[str]:
    if live and "CS_GNU_LIBC_VERSION" in os.confstr_names:
        try:
            return Fact.of(os.confstr("CS_GNU_LIBC_VERSION"), "confstr")
        except OSError:
            pass
    musl = any(root.glob("lib/ld-musl-*"))
    return Fact.of("musl" if musl else None, "/lib/ld-musl-*", "inferred")


def _container(root: Path, environ: Mapping[str, str]) -> Fact[str]:
    if (root / ".dockerenv").exists():
        return Fact("docker", "/.dockerenv")
    if (root / "run/.containerenv").exists():
        return Fact("podman", "/run/.containerenv")
    if "KUBERNETES_SERVICE_HOST" in environ:
        return Fact("kubernetes", "KUBERNETES_SERVICE_HOST")
    if named := environ.get("container"):
        return Fact(named, "the variable container")
    groups = read_text(root / "proc/self/cgroup") or ""
    for mark, name in _CONTAINER_MARKS.items():
        if f"/{mark}" in groups or f"{mark}-" in groups:
            return Fact(name, "/proc/self/cgroup", "inferred")
    return Fact("", "no mark of a container", "inferred")


def _virtual_machine(root: Path) -> Fact[str]:
    folder = root / "sys/class/dmi/id"
    makers = " ".join(
        (read_text(folder / name) or "").strip() for name in ("sys_vendor", "product_name")
    ).lower()
    for mark, name in _MACHINE_MARKS.items():
        if mark in makers:
            return Fact(name, "/sys/class/dmi/id")
    if hypervisor := (read_text(root / "sys/hypervisor/type") or "").strip():
        return Fact(hypervisor, "/sys/hypervisor/type")
    cpuinfo = read_text(root / "proc/cpuinfo") or ""
    if re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.M):
        return Fact("unnamed", "the CPU's hypervisor flag")
    return Fact("", "no mark of a virtual machine", "inferred")

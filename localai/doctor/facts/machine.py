"""The facts of the machine and its system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from localai.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Environment:
    """The user's variables that matter here, as they were before localai changed its own.

    `variables` has no secrets; `keys` are the names of the variables that are keys. `shell_keys`
    maps a shell's history to the names of keys that were typed into it. `open_histories` are other
    tools' files of prompts that everybody on this machine may read.
    """

    variables: Mapping[str, str] | None = None
    keys: tuple[str, ...] | None = None
    shell_keys: tuple[str, ...] | None = None
    shell: str | None = None
    open_histories: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class DeviceNode:
    """A device file, whether this user may open it, and the group that may."""

    path: str | None = None
    usable: bool | None = None
    group: str | None = None
    group_id: int | None = None


@dataclass(frozen=True, slots=True)
class Graphics:
    """The software between a program and a graphics processor.

    `pci_vendors` are the makers on the PCI bus, with the `kernel_drivers` in use. Versions are
    texts such as "570.86"; "" means that the thing is certainly not there. `nodes` are the existing
    device files that matter. `smi` is the result of running NVIDIA's tool. `targets` are the names
    of AMD's processors for compilers ("gfx1100"), as the kernel driver gives them.
    """

    pci_vendors: tuple[str, ...] | None = None
    kernel_drivers: tuple[str, ...] | None = None
    nvidia_module: str | None = None
    nvidia_library: str | None = None
    smi: Literal["answers", "hangs", "fails", "absent"] | None = None
    smi_words: str | None = None
    nodes: tuple[DeviceNode, ...] | None = None
    groups: tuple[str, ...] | None = None
    group_ids: tuple[int, ...] | None = None
    rocm: str | None = None
    wsl_library: bool | None = None
    native_library_in_wsl: bool | None = None
    vulkan_drivers: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Kernel:
    """The present state of the system.

    Pressures are percentages of time in which some process waited. `suspended_s` is the time in
    seconds that the machine has slept since its start. `oom_kills` counts those in our own control
    group. `throttled` says that the processor slows itself for its heat. `user_namespaces` says
    whether a user may make one. `mac_version` is e.g. "15.3", and "" on other systems.
    """

    memory_pressure_60s: float | None = None
    cpu_pressure_10s: float | None = None
    suspended_s: float | None = None
    oom_kills: int | None = None
    throttled: bool | None = None
    user_namespaces: bool | None = None
    init: str | None = None
    mac_version: str | None = None
    now: float | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that something needs, and its disk.

    `blocked_by` is the first folder on the way that this user may not enter; "" if all are open.
    `mount` is the mount point of its file system and `kind` its type ("ext4", "nfs4",
    "fuse.sshfs"). `no_programs` says that no program may be started from it.
    """

    purpose: str | None = None
    path: str | None = None
    exists: bool | None = None
    writable: bool | None = None
    owner: str | None = None
    mode: int | None = None
    blocked_by: str | None = None
    read_only: bool | None = None
    no_programs: bool | None = None
    mount: str | None = None
    kind: str | None = None
    rotational: bool | None = None
    total_bytes: int | None = None
    free_bytes: int | None = None
    total_inodes: int | None = None
    free_inodes: int | None = None

"""The processor: model, cores by kind, caches, and the instruction sets that inference uses.

Counts come from psutil; what psutil does not know comes from /proc and /sys on Linux and from
sysctl on macOS (`localai.hardware.apple`).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from localai.hardware.allowed_cores import count_cores
from localai.hardware.cgroup import cpu_quota
from localai.hardware.facts import Cpu, Fact
from localai.hardware.readers import read_integer, read_text
from localai.units import whole_number

# The kernel's name of an instruction set and the name that people know, in the order in which they
# are shown.
_X86_SETS: Final = {
    "sse4_2": "SSE4.2",
    "f16c": "F16C",
    "fma": "FMA",
    "avx": "AVX",
    "avx2": "AVX2",
    "avx_vnni": "AVX-VNNI",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512-VNNI",
    "avx512_bf16": "AVX-512-BF16",
    "amx_int8": "AMX-INT8",
    "amx_bf16": "AMX-BF16",
}
_ARM_SETS: Final = {
    "asimd": "NEON",
    "asimdhp": "FP16",
    "asimddp": "DOTPROD",
    "i8mm": "I8MM",
    "bf16": "BF16",
    "sve": "SVE",
    "sve2": "SVE2",
    "sme": "SME",
}

# An Arm core reports its implementer and a part number: MIDR_EL1, as in Linux's
# arch/arm64/include/asm/cputype.h.
_ARM_PARTS: Final = {
    ("0x41", "0xd03"): "Cortex-A53",
    ("0x41", "0xd05"): "Cortex-A55",
    ("0x41", "0xd08"): "Cortex-A72",
    ("0x41", "0xd0b"): "Cortex-A76",
    ("0x41", "0xd0c"): "Neoverse N1",
    ("0x41", "0xd40"): "Neoverse V1",
    ("0x41", "0xd41"): "Cortex-A78",
    ("0x41", "0xd42"): "Cortex-A78AE",
    ("0x41", "0xd49"): "Neoverse N2",
    ("0x41", "0xd4f"): "Neoverse V2",
    ("0x41", "0xd85"): "Cortex-X925",
    ("0x41", "0xd87"): "Cortex-A725",
    ("0x51", "0x001"): "Oryon",
    ("0xc0", "0xac3"): "Ampere-1",
}
# No machine that runs Linux has nearly so many: NR_CPUS is at most 8,192.
_MOST_PROCESSORS: Final = 1 << 16


def linux_cpu(root: Path = Path("/"), *, live: bool = True) -> Cpu:
    """This machine's processor on Linux, or that of a captured tree at `root`. With `live=False`,
    psutil and the affinity mask, which describe this machine, are left out."""
    text = read_text(root / "proc/cpuinfo") or ""
    source = "/proc/cpuinfo"
    performance, efficiency = _cores_by_kind(root)
    physical = Fact[int].of(physical_cores(text), source)
    logical = Fact[int].of(len(re.findall(r"^processor\s*:", text, re.M)) or None, source)
    if live:
        physical, logical = _counts_of_psutil(physical, logical)
    return Cpu(
        model=Fact.of(model_name(text, read_text(root / "proc/device-tree/model")), source),
        physical_cores=physical,
        logical_cores=logical,
        performance_cores=performance,
        efficiency_cores=efficiency,
        usable_cores=_usable_cores(root, logical, live=live),
        instruction_sets=Fact.of(instruction_sets(text), source),
        last_level_cache_bytes=Fact.of(
            last_level_cache_bytes(root), "/sys/devices/system/cpu/cpu*/cache"
        ),
    )


def portable_cpu() -> Cpu:
    """This machine's processor by psutil and Python alone, on systems without a better source."""
    import platform

    nothing: Fact[int] = Fact.unknown("psutil does not say")
    physical, logical = _counts_of_psutil(nothing, nothing)
    cores = None if logical.value is None else float(logical.value)
    return Cpu(
        model=Fact.of(os.environ.get("PROCESSOR_IDENTIFIER") or None, "PROCESSOR_IDENTIFIER"),
        physical_cores=physical,
        logical_cores=logical,
        performance_cores=nothing,
        efficiency_cores=nothing,
        usable_cores=Fact.of(cores, "psutil"),
        instruction_sets=Fact.unknown(f"not known on {platform.system()}"),
        last_level_cache_bytes=nothing,
    )


def model_name(cpuinfo: str, device_tree_model: str | None = None) -> str | None:
    """The processor's name in /proc/cpuinfo; on Arm, put together from its part numbers."""
    match = re.search(r"^(?:model name|cpu model)\s*:\s*(.+)$", cpuinfo, re.M)
    if match and not match[1].strip().isdigit():
        return " ".join(match[1].split())
    makers = re.findall(r"^CPU implementer\s*:\s*(\S+)", cpuinfo, re.M)
    parts = re.findall(r"^CPU part\s*:\s*(\S+)", cpuinfo, re.M)
    names: dict[str, int] = {}
    for maker, part in zip(makers, parts, strict=False):
        name = _ARM_PARTS.get((maker, part), f"Arm core {maker}/{part}")
        names[name] = names.get(name, 0) + 1
    board = (device_tree_model or "").strip("\0 \n")
    cores = ", ".join(f"{count} × {name}" for name, count in names.items())
    return " · ".join(filter(None, (board, cores))) or None


def physical_cores(cpuinfo: str) -> int | None:
    """The number of cores in /proc/cpuinfo on x86, without hyperthreads; None if it does not have
    it."""
    cores: set[tuple[str, str]] = set()
    package = ""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "physical id":
            package = value.strip()
        elif name.strip() == "core id":
            cores.add((package, value.strip()))
    return len(cores) or None


def instruction_sets(cpuinfo: str) -> tuple[str, ...] | None:
    """The names in the first `flags` or `Features` line; None if there is no such line."""
    match = re.search(r"^(flags|Features)\s*:\s*(.+)$", cpuinfo, re.M)
    if match is None:
        return None
    present = set(match[2].split())
    table = _X86_SETS if match[1] == "flags" else _ARM_SETS
    return tuple(name for flag, name in table.items() if flag in present)


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """The numbers in the kernel's list form: `0-3,8` is 0, 1, 2, 3, 8. What is no such list is left
    out."""
    numbers: list[int] = []
    for piece in text.strip().split(","):
        first, _, last = piece.partition("-")
        begin, end = whole_number(first), whole_number(last or first)
        if begin is not None and end is not None and end < _MOST_PROCESSORS:
            numbers.extend(range(begin, end + 1))
    return tuple(numbers)


def last_level_cache_bytes(root: Path = Path("/")) -> int | None:
    """The size of the largest cache level in bytes, summed over its copies; None if sysfs does not
    have it."""
    levels: dict[int, dict[str, int]] = {}
    for index in root.glob("sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]*"):
        level, size = read_integer(index / "level"), read_text(index / "size")
        shared = read_text(index / "shared_cpu_list")
        if level and size and shared and (match := re.fullmatch(r"(\d{1,9})K", size.strip())):
            levels.setdefault(level, {})[shared.strip()] = int(match[1]) << 10
    return sum(levels[max(levels)].values()) if levels else None


def _cores_by_kind(root: Path) -> tuple[Fact[int], Fact[int]]:
    """Performance and efficiency cores. Found by Intel's `cpu_core`/`cpu_atom` in sysfs, on Arm by
    `cpu_capacity`."""
    fast, slow = (read_text(root / f"sys/devices/{kind}/cpus") for kind in ("cpu_core", "cpu_atom"))
    if fast and slow:
        source = "/sys/devices/cpu_core, cpu_atom"
        return (
            Fact(count_cores(root, parse_cpu_list(fast)), source),
            Fact(count_cores(root, parse_cpu_list(slow)), source),
        )
    capacities = [
        capacity
        for path in sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*/cpu_capacity"))
        if (capacity := read_integer(path))
    ]
    if len(set(capacities)) > 1:
        source = "/sys/devices/system/cpu/cpu*/cpu_capacity"
        small = capacities.count(min(capacities))
        return (
            Fact(len(capacities) - small, source, "inferred"),
            Fact(small, source, "inferred"),
        )
    same = "all cores are of one kind"
    return Fact.unknown(same), Fact.unknown(same)


def _usable_cores(root: Path, logical: Fact[int], *, live: bool) -> Fact[float]:
    """The number of logical cores that a quota and an affinity mask leave."""
    counts: list[tuple[float, str]] = []
    if logical.value is not None:
        counts.append((float(logical.value), logical.source))
    if live and hasattr(os, "sched_getaffinity"):
        counts.append((float(len(os.sched_getaffinity(0))), "affinity mask"))
    if (quota := cpu_quota(root)) is not None:
        counts.append((quota, "cgroup CPU quota"))
    if not counts:
        return Fact.unknown("no count of cores")
    value, source = min(counts, key=lambda pair: pair[0])
    return Fact(value, source)


def _counts_of_psutil(physical: Fact[int], logical: Fact[int]) -> tuple[Fact[int], Fact[int]]:
    """psutil's counts if it has them, else the given ones."""
    import psutil

    found = psutil.cpu_count(logical=False), psutil.cpu_count(logical=True)
    return (
        Fact(found[0], "psutil") if found[0] else physical,
        Fact(found[1], "psutil") if found[1] else logical,
    )

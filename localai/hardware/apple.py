"""A Mac: processor, graphics and the share of memory that Metal may use.

Two programs of the system are run, `sysctl` (numbers) and `system_profiler` (graphics). Pure
functions read their output, so that Macs are tested on every system.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from localai.hardware.facts import Cpu, Fact, Gpu
from localai.hardware.specified_bandwidth import bandwidth_of_apple_chip
from localai.units import whole_number

SYSCTL: Final = (
    "/usr/sbin/sysctl",
    "hw",
    "machdep.cpu",
    "iogpu",
    "kern.hv_vmm_present",
    "sysctl.proc_translated",
)
SYSTEM_PROFILER: Final = ("/usr/sbin/system_profiler", "-json", "SPDisplaysDataType")

# Kinds of cores that a chip may have; a number beyond that is no chip's.
_MOST_LEVELS: Final = 4

_ARM_SETS: Final = {
    "hw.optional.AdvSIMD": "NEON",
    "hw.optional.arm.FEAT_FP16": "FP16",
    "hw.optional.arm.FEAT_DotProd": "DOTPROD",
    "hw.optional.arm.FEAT_I8MM": "I8MM",
    "hw.optional.arm.FEAT_BF16": "BF16",
    "hw.optional.arm.FEAT_SME": "SME",
}
_X86_SETS: Final = {
    "hw.optional.sse4_2": "SSE4.2",
    "hw.optional.f16c": "F16C",
    "hw.optional.fma": "FMA",
    "hw.optional.avx1_0": "AVX",
    "hw.optional.avx2_0": "AVX2",
    "hw.optional.avx512f": "AVX-512",
}


def parse_sysctl(text: str) -> dict[str, str]:
    """The `name: value` lines that sysctl prints; its complaints about unknown names are left
    out."""
    return {
        name: value.strip()
        for name, value in re.findall(r"^([\w.]+): ?(.*)$", text, re.M)
        if name != "sysctl"
    }


def apple_cpu(values: Mapping[str, str]) -> Cpu:
    """The processor that `sysctl` describes."""
    logical = _number(values, "hw.logicalcpu")
    same = "all cores are of one kind"
    fast, saving = _cores_by_kind(values)
    return Cpu(
        model=_fact(values.get("machdep.cpu.brand_string") or None),
        physical_cores=_fact(_number(values, "hw.physicalcpu")),
        logical_cores=_fact(logical),
        performance_cores=_fact(fast, same),
        efficiency_cores=_fact(saving, same),
        usable_cores=_fact(None if logical is None else float(logical)),
        instruction_sets=_fact(_instruction_sets(values)),
        last_level_cache_bytes=_fact(_cache_bytes(values)),
    )


def _cores_by_kind(values: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Cores made for speed, and those made to save energy; both None if all are of one kind.

    Levels are told by their names, where there are any: an M5 Pro has "Super" and "Performance".
    """
    count = _number(values, "hw.nperflevels")
    if count == 1:
        return None, None
    fast = saving = 0
    for level in range(min(count or 2, _MOST_LEVELS)):
        cores = _number(values, f"hw.perflevel{level}.physicalcpu") or 0
        name = values.get(f"hw.perflevel{level}.name", "Efficiency" if level else "Performance")
        if name == "Efficiency":
            saving += cores
        else:
            fast += cores
    return fast or None, saving or None


def apple_gpus(displays: str, values: Mapping[str, str]) -> tuple[Gpu, ...]:
    """The graphics processors in `system_profiler -json SPDisplaysDataType`, with what `sysctl`
    says of the memory. If `system_profiler` cannot be read, the list has one GPU, named after the
    chip."""
    try:
        document: Any = json.loads(displays)
        rows = [row for row in document["SPDisplaysDataType"] if isinstance(row, dict)]
    except (ValueError, KeyError, TypeError, RecursionError):
        rows = []
    gpus = tuple(_gpu(row, values) for row in rows if row.get("sppci_model") or row.get("_name"))
    if not gpus and values.get("hw.optional.arm64") == "1":
        return (_gpu({"_name": values.get("machdep.cpu.brand_string", "Apple GPU")}, values),)
    return gpus


def metal_working_set(memory_bytes: int, wired_limit_mb: int) -> Fact[int]:
    """What Metal lets a process keep resident, in bytes: the limit that counts on Apple Silicon.

    A limit that the user set (`iogpu.wired_limit_mb`) holds. Else macOS gives two thirds of up
    to 32 GB and three quarters of more: llama.cpp's logs show 5,461 MiB of 8 GB, 10,922 of 16,
    21,845 of 32, 27,648 of 36, 49,152 of 64 and 73,728 of 96. Later versions give more (18,186
    of 24, 53,084 of 64), so this is the cautious figure; the engine knows the true one
    (`localai.engine.llamacpp.log.DeviceShare.device_bytes`).
    """
    if wired_limit_mb > 0:
        return Fact(wired_limit_mb << 20, "sysctl iogpu.wired_limit_mb")
    small = memory_bytes <= 32 << 30
    share = memory_bytes * 2 // 3 if small else memory_bytes * 3 // 4
    rule = "two thirds" if small else "three quarters"
    return Fact(share, f"Metal's working set, {rule} of memory by macOS's default", "inferred")


def _gpu(row: Mapping[str, Any], values: Mapping[str, str]) -> Gpu:
    source = "system_profiler"
    name = str(row.get("sppci_model") or row.get("_name"))
    vendor = str(row.get("spdisplays_vendor", "Apple" if name.startswith("Apple") else ""))
    vendor = re.sub(r"^sppci_vendor_|\s*\(0x\w+\)$", "", vendor)
    vendor = {"amd": "AMD", "intel": "Intel", "nvidia": "NVIDIA"}.get(vendor.lower(), vendor)
    is_apple = vendor == "Apple"
    memory = _number(values, "hw.memsize")
    nothing: Fact[int] = Fact.unknown("macOS does not say")
    total = nothing
    if is_apple and memory is not None:
        total = metal_working_set(memory, _number(values, "iogpu.wired_limit_mb") or 0)
    elif size := _size_bytes(str(row.get("spdisplays_vram", ""))):
        total = Fact(size, source)
    cores = whole_number(str(row.get("sppci_cores", "")))
    metal = row.get("spdisplays_mtlgpufamilysupport") or row.get("spdisplays_metal")
    has_metal = is_apple or bool(metal)
    return Gpu(
        name=Fact(name, source),
        vendor=Fact.of(vendor or None, source),
        memory_total_bytes=total,
        memory_free_bytes=nothing,
        shared_memory_bytes=Fact.of(
            _size_bytes(str(row.get("spdisplays_vram_shared", ""))), source
        ),
        memory_bandwidth=bandwidth_of_apple_chip(name, cores),
        unified=Fact(is_apple or "spdisplays_vram_shared" in row, source, "inferred"),
        cores=Fact.of(cores, source),
        driver=Fact.unknown("part of macOS"),
        compute_capability=Fact.of(_metal_version(str(metal or "")), source),
        usable_by=Fact(("Metal",) if has_metal else (), source, "inferred"),
    )


def _metal_version(family: str) -> str | None:
    match = re.fullmatch(r"spdisplays_metal(\d+)", family)
    return f"Metal {match[1]}" if match else None


def _size_bytes(text: str) -> int | None:
    match = re.fullmatch(r"(\d{1,9}) ([MG])B", text.strip())
    return int(match[1]) << (20 if match[2] == "M" else 30) if match else None


def _instruction_sets(values: Mapping[str, str]) -> tuple[str, ...] | None:
    table = _ARM_SETS if values.get("hw.optional.arm64") == "1" else _X86_SETS
    return tuple(name for key, name in table.items() if values.get(key) == "1") or None


def _cache_bytes(values: Mapping[str, str]) -> int | None:
    """The size of the L3 cache if there is one, else of all second-level caches of all clusters
    together."""
    if l3 := _number(values, "hw.l3cachesize"):
        return l3
    total = 0
    for level in range(_MOST_LEVELS):
        size = _number(values, f"hw.perflevel{level}.l2cachesize")
        cores = _number(values, f"hw.perflevel{level}.physicalcpu")
        shared_by = _number(values, f"hw.perflevel{level}.cpusperl2")
        if size and cores and shared_by:
            total += size * -(-cores // shared_by)
    return total or _number(values, "hw.l2cachesize")


def _number(values: Mapping[str, str], name: str) -> int | None:
    return whole_number(values.get(name, ""))


def _fact(value: Any, otherwise: str = "sysctl does not say") -> Fact[Any]:
    return Fact.unknown(otherwise) if value is None else Fact(value, "sysctl")

"""Main memory: how much there is, how much is free, and the limits of a container or WSL."""

from __future__ import annotations

import sys
from pathlib import Path

from localai.dataclass import dataclass
from localai.hardware.cgroup import MemoryLimit, memory_limit
from localai.hardware.facts import Fact, Memory
from localai.units import whole_number


@dataclass(frozen=True, slots=True)
class FreeMemory:
    """The memory in bytes that a model may take: what is free, and what the system can make free.

    A model that needs more than `free_bytes` is loaded with a warning, one that needs more than
    `most_bytes` is not.
    """

    free_bytes: int
    most_bytes: int


def free_memory() -> FreeMemory | None:
    """The memory for a model at this moment; None if it is unknown.

    On Apple Silicon the limit is Metal's working set: macOS compresses and writes out what others
    have, and its "available" leaves that out (a used Mac with 8 GB often has less than a 4B model
    takes, and runs it). Elsewhere it is what is free.
    """
    free = live_memory().available_bytes.value
    if free is None:
        return None
    return FreeMemory(free, max(free, _working_set_bytes()))


def _working_set_bytes() -> int:
    import platform

    if (sys.platform, platform.machine()) != ("darwin", "arm64"):
        return 0
    from localai.hardware.apple import SYSCTL, metal_working_set, parse_sysctl
    from localai.hardware.readers import ask_program

    values = parse_sysctl(ask_program(*SYSCTL).output)
    total = whole_number(values.get("hw.memsize", ""))
    if total is None:
        return 0
    limit = whole_number(values.get("iogpu.wired_limit_mb", "")) or 0
    return metal_working_set(total, limit).value or 0


def live_memory(root: Path = Path("/"), *, wsl: bool = False) -> Memory:
    """This machine's memory by psutil, within the limits on this process.

    `wsl`: the system is the Windows Subsystem for Linux, where the total is itself a limit.
    """
    import psutil

    main, swap = psutil.virtual_memory(), psutil.swap_memory()
    return within_limit(
        Memory(
            total_bytes=Fact(main.total, "psutil"),
            available_bytes=Fact(main.available, "psutil", "measured"),
            limit_bytes=Fact(main.total, "no control group limits it"),
            limited_by=Fact("", "no control group limits it"),
            swap_total_bytes=Fact(swap.total, "psutil"),
            swap_used_bytes=Fact(swap.used, "psutil", "measured"),
        ),
        memory_limit(root),
        wsl=wsl,
    )


def within_limit(memory: Memory, limit: MemoryLimit | None, *, wsl: bool) -> Memory:
    """Returns `memory` reduced to the limit of the control group or of WSL."""
    from dataclasses import replace

    total, available = memory.total_bytes.value, memory.available_bytes.value
    if limit is not None and (total is None or limit.limit_bytes < total):
        left = limit.limit_bytes - (limit.used_bytes or 0)
        return replace(
            memory,
            limit_bytes=Fact(limit.limit_bytes, "the control group's memory limit"),
            limited_by=Fact("cgroup", "the control group's memory limit"),
            available_bytes=Fact(
                left if available is None else max(0, min(left, available)),
                "the control group's limit less what is in use",
                "measured",
            ),
        )
    if wsl:
        why = "WSL gives Linux a part of Windows' memory: memory= in .wslconfig"
        return replace(memory, limited_by=Fact("WSL", why, "inferred"))
    return memory

"""Main memory: how much there is, how much is free, and the limits of a container or WSL."""

from __future__ import annotations

from pathlib import Path

from localai.hardware.cgroup import MemoryLimit, memory_limit
from localai.hardware.facts import Fact, Memory


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
        room = limit.limit_bytes - (limit.used_bytes or 0)
        return replace(
            memory,
            limit_bytes=Fact(limit.limit_bytes, "the control group's memory limit"),
            limited_by=Fact("cgroup", "the control group's memory limit"),
            available_bytes=Fact(
                room if available is None else max(0, min(room, available)),
                "the control group's limit less what is in use",
                "measured",
            ),
        )
    if wsl:
        why = "WSL gives Linux a part of Windows' memory: memory= in .wslconfig"
        return replace(memory, limited_by=Fact("WSL", why, "inferred"))
    return memory

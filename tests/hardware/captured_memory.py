"""The memory of a captured tree of /proc and /sys, within the limits that are found in it."""

from __future__ import annotations

import re
from pathlib import Path

from localai.hardware.cgroup import memory_limit
from localai.hardware.facts import Fact, Memory
from localai.hardware.memory import within_limit
from localai.hardware.readers import read_text


def captured_memory(root: Path, *, wsl: bool = False) -> Memory:
    """The memory that the /proc of a captured tree at `root` shows."""
    amounts = _meminfo(read_text(root / "proc/meminfo") or "")
    source = "/proc/meminfo"
    total, swap = amounts.get("MemTotal"), amounts.get("SwapTotal")
    free_swap = amounts.get("SwapFree")
    used_swap = None if swap is None or free_swap is None else swap - free_swap
    return within_limit(
        Memory(
            total_bytes=Fact.of(total, source),
            available_bytes=Fact.of(amounts.get("MemAvailable"), source),
            limit_bytes=Fact.of(total, "no control group limits it"),
            limited_by=Fact("", "no control group limits it"),
            swap_total_bytes=Fact.of(swap, source),
            swap_used_bytes=Fact.of(used_swap, source),
        ),
        memory_limit(root),
        wsl=wsl,
    )


def _meminfo(text: str) -> dict[str, int]:
    """The amounts of /proc/meminfo in bytes (it counts in KiB and writes kB)."""
    rows = re.findall(r"^(\w+)(?:\(\w+\))?:\s+(\d+) kB$", text, re.M)
    return {name: int(amount) << 10 for name, amount in rows}

"""Whether a server computes, by the CPU time that the kernel counts for it and its children."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.support.clock import slowdown

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def is_busy(pid: int, over_s: float = 0.3, share: float = 0.25) -> bool:
    """Whether the process and its descendants used more than `share` of a core just now, or, on a
    machine that does something else as well, of what one of several gets."""
    before = _cpu_seconds(pid)
    time.sleep(over_s)
    return _cpu_seconds(pid) - before > share * over_s / slowdown()


def _cpu_seconds(pid: int) -> float:
    total = 0.0
    for each in [pid, *descendants(pid)]:
        try:
            # After the name, which may hold anything up to the last parenthesis.
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return total


def descendants(pid: int) -> list[int]:
    """The processes that `pid` started, and those that they started."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += [int(child) for child in task.read_text().split()]
        except OSError:
            continue
    return children + [below for child in children for below in descendants(child)]

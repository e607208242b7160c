"""What a process and all below it used: CPU seconds, memory, and memory of graphics cards.

An engine may compute in a child of the process that answers (Ollama's runners). Linux's /proc is
read directly, elsewhere psutil; None where a process cannot be seen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from localai.hardware.readers import read_text


def tick_s() -> float:
    """The seconds of one tick of the kernel's counters."""
    return 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int, root: Path = Path("/")) -> float | None:
    """CPU seconds of the process and of all below it."""
    if not (root / "proc/stat").exists():
        return _cpu_s_by_psutil(pid)
    seconds = [
        # The name in brackets may have anything in it.
        sum(map(int, text.rpartition(")")[2].split()[11:15])) * tick_s()
        for each in _tree(pid, root)
        if (text := read_text(root / f"proc/{each}/stat"))
    ]
    return sum(seconds) if seconds else None


def peak_memory_bytes(pid: int, root: Path = Path("/")) -> int | None:
    """The most resident memory that the process and those below it had, each by itself."""
    return _resident_bytes(pid, root, "VmHWM:")


def memory_bytes(pid: int, root: Path = Path("/")) -> int | None:
    """The resident memory that the process and those below it have now."""
    return _resident_bytes(pid, root, "VmRSS:")


def card_memory_bytes(pid: int, root: Path = Path("/")) -> int | None:
    """What the process and those below it have of the memory of NVIDIA's cards; None if the driver
    names none of them, as in a container, where it knows other process ids."""
    from localai.hardware.nvidia import memory_by_process

    used = memory_by_process()
    found = [used[each] for each in _tree(pid, root) if each in used] if used else []
    return sum(found) if found else None


def _resident_bytes(pid: int, root: Path, line_of: str) -> int | None:
    if not (root / "proc/stat").exists():
        return _memory_by_psutil(pid)
    sizes = [
        int(line.split()[1]) * 1024
        for each in _tree(pid, root)
        for line in (read_text(root / f"proc/{each}/status") or "").splitlines()
        if line.startswith(line_of)
    ]
    return sum(sizes) if sizes else None


def _tree(pid: int, root: Path) -> Iterator[int]:
    parents: dict[int, int] = {}
    for folder in (root / "proc").iterdir():
        if folder.name.isdecimal() and (text := read_text(folder / "stat")):
            parents[int(folder.name)] = int(text.rpartition(")")[2].split()[1])
    return (each for each in parents if _is_below(each, pid, parents))


def _is_below(child: int, pid: int, parents: dict[int, int]) -> bool:
    while child and child != pid:
        child = parents.get(child, 0)
    return child == pid


def _cpu_s_by_psutil(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    except psutil.Error:
        return None
    return float(sum(each.user + each.system for each in times))


def _memory_by_psutil(pid: int) -> int | None:
    import psutil

    try:
        process = psutil.Process(pid)
        found = [each.memory_info().rss for each in (process, *process.children(recursive=True))]
    except psutil.Error:
        return None
    return sum(map(int, found))

"""Which files other processes have open now: what is being read or written must not be replaced.

On Linux, /proc shows the mappings and descriptors of every process that this user may look at.
Elsewhere psutil shows descriptors only.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

_PLATFORM: Final[str] = sys.platform


def open_in_processes(paths: Collection[Path]) -> dict[Path, str]:
    """Which of `paths` another process has open; the values name a process: `ollama (pid 123)`."""
    wanted = {str(path.resolve()): path for path in paths}
    found: dict[Path, str] = {}
    for pid, name, files in _processes(wanted):
        if pid != os.getpid():
            for file in files:
                found.setdefault(wanted[file], f"{name} (pid {pid})")
    return found


def _processes(wanted: Collection[str]) -> Iterator[tuple[int, str, list[str]]]:
    if _PLATFORM == "linux":
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal() and (files := _linux_files(folder, wanted)):
                yield int(folder.name), _linux_name(folder), files
        return
    import psutil

    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error):
            files = [file.path for file in process.open_files() if file.path in wanted]
            if files:
                yield process.pid, process.info["name"] or "a program", files


def _linux_files(folder: Path, wanted: Collection[str]) -> list[str]:
    found: set[str] = set()
    with contextlib.suppress(OSError):
        maps = (folder / "maps").read_text(errors="replace")
        found |= {path for path in wanted if path in maps}
    with contextlib.suppress(OSError):
        for descriptor in (folder / "fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(descriptor.readlink())
                if target in wanted:
                    found.add(target)
    return sorted(found)


def _linux_name(folder: Path) -> str:
    try:
        return (folder / "comm").read_text(errors="replace").strip()
    except OSError:
        return "a program"

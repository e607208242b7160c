"""Which process on this machine listens on a TCP port, without a library.

Linux only, and only for processes whose open files this user may see: a server that runs as
another user stays unnamed. psutil knows the same and costs 50 ms to import.
"""

from __future__ import annotations

from pathlib import Path

_PROC = Path("/proc")
_LISTEN = "0A"


def listening_pid(port: int, program: str) -> int | None:
    """The process called `program…` that listens on `port`; None where that cannot be proven."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return None
    for process in _PROC.iterdir():
        if process.name.isdecimal() and _is_called(process, program) and _holds(process, sockets):
            return int(process.name)
    return None


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(fields[9])
    return inodes


def _is_called(process: Path, program: str) -> bool:
    try:
        return (process / "comm").read_text().startswith(program)
    except OSError:
        return False


def _holds(process: Path, sockets: set[str]) -> bool:
    try:
        return any(str(entry.readlink()) in sockets for entry in (process / "fd").iterdir())
    except OSError:
        return False

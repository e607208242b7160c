"""The folders that localai and Ollama need, and the disks below them."""

from __future__ import annotations

import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from localai.dataclass import dataclass
from localai.doctor.capture.context import Context
from localai.doctor.facts.machine import Folder
from localai.hardware.readers import read_text
from localai.net.listener import user_name
from localai.stores.folders import hub_cache
from localai.stores.ollama import ollama_roots

# Typed as a plain text, so that mypy checks the branches of both systems.
_PLATFORM: str = sys.platform


def places(context: Context) -> tuple[Folder, ...]:
    """Each folder with its disk. A folder that does not exist yet is judged by its nearest
    parent."""
    paths = context.paths
    wanted = {
        "localai's settings": paths.config_file.parent,
        "localai's data": paths.data_dir,
        "localai's models": paths.models_dir,
        "localai's cache": paths.cache_dir,
        "Ollama's models": ollama_roots(context.environ)[0],
        "the hub's cache": hub_cache(context.environ),
        "temporary files": Path(tempfile.gettempdir()),
    }
    mounts = list(_mounts(read_text(context.root / "proc/self/mountinfo") or ""))
    return tuple(_place(purpose, path, mounts) for purpose, path in wanted.items())


@dataclass(frozen=True, slots=True)
class _Mount:
    path: str
    device: str
    kind: str
    options: frozenset[str]


def _place(purpose: str, path: Path, mounts: list[_Mount]) -> Folder:
    path = path.absolute()
    blocked = next((str(each) for each in reversed(path.parents) if _is_closed(each)), "")
    there = path
    while not _exists(there) and there != there.parent:
        there = there.parent
    mount = _mount_of(there, mounts)
    try:
        status, disk = there.stat(), os.statvfs(there)
    except OSError:
        return Folder(purpose, str(path), exists=False, blocked_by=blocked)
    read_only = bool(disk.f_flag & os.ST_RDONLY)
    return Folder(
        purpose=purpose,
        path=str(path),
        exists=there == path,
        writable=os.access(there, os.W_OK | os.X_OK),
        owner=user_name(status.st_uid),
        mode=stat.S_IMODE(status.st_mode),
        blocked_by=blocked,
        read_only=read_only,
        no_programs=bool(disk.f_flag & getattr(os, "ST_NOEXEC", 0)),
        mount=None if mount is None else mount.path,
        kind=None if mount is None else mount.kind,
        rotational=None if mount is None else _is_rotational(mount.device),
        total_bytes=disk.f_blocks * disk.f_frsize,
        free_bytes=disk.f_bavail * disk.f_frsize,
        total_inodes=disk.f_files,
        free_inodes=disk.f_favail,
    )


def _is_closed(folder: Path) -> bool:
    return _exists(folder) and folder.is_dir() and not os.access(folder, os.X_OK)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _mounts(text: str) -> Iterator[_Mount]:
    """The mounts of /proc/self/mountinfo: number, parent, device, root, path, options … - kind."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) >= 6 and after:
            path = re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), fields[4])
            yield _Mount(path, fields[2], after.split()[0], frozenset(fields[5].split(",")))


def _mount_of(path: Path, mounts: list[_Mount]) -> _Mount | None:
    """The mount that holds `path`: the one with the longest path, and the last of several at the
    same path."""
    real = str(path.resolve())
    holding = [
        each for each in mounts if real == each.path or real.startswith(each.path.rstrip("/") + "/")
    ]
    longest = max((len(each.path) for each in holding), default=0)
    return next((each for each in reversed(holding) if len(each.path) == longest), None)


def _is_rotational(device: str) -> bool | None:
    """Whether a block device is a hard disk. A partition is judged by its disk."""
    folder = Path("/sys/dev/block") / device
    for queue in (folder / "queue", folder.resolve().parent / "queue"):
        text = read_text(queue / "rotational")
        if text is not None:
            # Virtual disks report 1, whatever they lie on.
            return text.strip() == "1" and not folder.resolve().name.startswith(
                ("vd", "xvd", "loop")
            )
    return None

"""SHA-256 of model files, computed once and remembered as long as a file is the same.

A file is the same as long as its device, inode, size and both times of change are, so a digest
also holds for every other name of the file. Only a cache: a damaged one costs time and nothing
else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Generator
from pathlib import Path
from typing import Final, cast

from localai.errors import InvalidInput
from localai.paths import Paths, private_dir, write_atomically

_FORMAT: Final = 1
_MOST_ENTRIES: Final = 4000
_PIECE_BYTES: Final = 4 << 20


class DigestCache:
    """The digests by file. `save` writes what was added."""

    def __init__(self, paths: Paths) -> None:
        self._file = paths.cache_dir / "digests.json"
        self._entries = _read(self._file)
        self._changed = False

    def known(self, path: Path) -> str | None:
        """`sha256:…` of the file at `path` if it was computed before; None if not."""
        try:
            return self._entries.get(_identity(path))
        except OSError:
            return None

    def compute(self, path: Path) -> Generator[int, None, str]:
        """`sha256:…` of the file at `path`, read whole unless it is known; yields the bytes of each
        piece. Raises OSError, and InvalidInput where the file changed meanwhile."""
        before = _identity(path)
        if (known := self._entries.get(before)) is not None:
            yield path.stat().st_size
            return known
        digest = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
                yield len(piece)
        if _identity(path) != before:
            raise InvalidInput(f"{path} is being written to")
        self._entries[before] = found = f"sha256:{digest.hexdigest()}"
        self._changed = True
        return found

    def save(self) -> None:
        """Write it, if anything was added and the folder allows it."""
        if not self._changed:
            return
        newest = dict(list(self._entries.items())[-_MOST_ENTRIES:])
        document = json.dumps({"format": _FORMAT, "entries": newest})
        with contextlib.suppress(OSError, InvalidInput):
            private_dir(self._file.parent)
            write_atomically(self._file, document.encode())


def _read(file: Path) -> dict[str, str]:
    try:
        document = json.loads(file.read_bytes())
        if document["format"] == _FORMAT and isinstance(document["entries"], dict):
            return cast("dict[str, str]", document["entries"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        pass
    return {}


def _identity(path: Path) -> str:
    status = path.stat()
    numbers = (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
    return "-".join(map(str, numbers))

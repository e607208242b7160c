"""What headers said the last time, so that a list of 200 models does not read 200 headers.

A file is the same as long as its path, inode, size and time of change are. It is only a cache:
one that is damaged, of another version or not writable costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, cast

from localai.errors import InvalidInput
from localai.paths import Paths, private_dir, write_atomically
from localai.types import Capability

# Raise it when describing a header changes what is kept.
_FORMAT: Final = 1
_MOST_ENTRIES: Final = 2000


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What a whole model's header says; `context_limit` in tokens, `size_bytes` of all parts."""

    context_limit: int | None
    capabilities: tuple[Capability, ...]
    parameters: str
    quantization: str | None
    size_bytes: int


class HeaderCache:
    """The facts by file. `save` writes what was added."""

    def __init__(self, paths: Paths) -> None:
        self._file = paths.cache_dir / "headers.json"
        self._entries = _read(self._file)
        self._changed = False

    def get(self, path: Path) -> HeaderFacts | None:
        """What was kept of the file at `path` as it is now; None if nothing was."""
        entry = self._entries.get(str(path))
        try:
            if entry is None or entry["of"] != _identity(path):
                return None
            facts: dict[str, Any] = entry["facts"]
            capabilities = cast("tuple[Capability, ...]", tuple(facts["capabilities"]))
            return HeaderFacts(**{**facts, "capabilities": capabilities})
        except (OSError, TypeError, KeyError):
            return None

    def put(self, path: Path, facts: HeaderFacts) -> None:
        """Keep `facts` of the file at `path`."""
        with contextlib.suppress(OSError):
            self._entries[str(path)] = {"of": _identity(path), "facts": asdict(facts)}
            self._changed = True

    def forget(self, path: Path) -> None:
        """Keep nothing of the file at `path`."""
        if self._entries.pop(str(path), None) is not None:
            self._changed = True

    def save(self) -> None:
        """Write it, if anything changed and the folder allows it."""
        if not self._changed:
            return
        newest = dict(list(self._entries.items())[-_MOST_ENTRIES:])
        document = json.dumps({"format": _FORMAT, "entries": newest})
        with contextlib.suppress(OSError, InvalidInput):
            private_dir(self._file.parent)
            write_atomically(self._file, document.encode())


def _read(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_bytes())
        if document["format"] == _FORMAT and isinstance(document["entries"], dict):
            return cast("dict[str, Any]", document["entries"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        pass
    return {}


def _identity(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]

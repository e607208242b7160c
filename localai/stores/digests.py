"""SHA-256 of model files, computed once and remembered as long as a file is the same."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final, TypeVar

from localai.errors import InvalidInput
from localai.files import content_key, hash_file
from localai.paths import Paths
from localai.remembered import Remembered

_VERSION: Final = 2
_MOST: Final = 4000
_Event = TypeVar("_Event")


class DigestCache:
    """Remembered SHA-256 digests, by the content of the file and not by its name.

    `save` writes what was computed.
    """

    def __init__(self, paths: Paths) -> None:
        file = paths.cache_dir / "digests.json"
        self._remembered = Remembered(file, version=_VERSION, most=_MOST)

    def known(self, path: Path) -> str | None:
        """The digest `sha256:…` of the file at `path`; None if it was not computed before."""
        try:
            found = self._remembered.get(_key(path))
        except OSError:
            return None
        return found if isinstance(found, str) else None

    def compute(self, path: Path, tell: Callable[[int], _Event]) -> Generator[_Event, None, str]:
        """Yields `tell(bytes_done)` while it reads the file at `path`; returns the digest
        `sha256:…`. A file whose digest is known is not read.

        Raises OSError, and InvalidInput if the file changes meanwhile.
        """
        if (known := self.known(path)) is not None:
            yield tell(path.stat().st_size)
            return known
        before = _key(path)
        digest = yield from hash_file(path, tell)
        if _key(path) != before:
            raise InvalidInput(f"{path} is being written to")
        self._remembered.put(before, f"sha256:{digest}")
        return f"sha256:{digest}"

    def save(self) -> None:
        """Write what was computed to the disk."""
        self._remembered.save()


def _key(path: Path) -> str:
    # Duplicates are removed by these digests, so ctime counts too: unlike mtime, a program cannot
    # set it back after it has changed the content.
    return f"{content_key(path)}-{path.stat().st_ctime_ns}"

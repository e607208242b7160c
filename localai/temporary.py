"""Temporary files and folders that do not outlive their process for long: what a killed process
left is removed when the next one is made."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import stat
import tempfile
import time
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from localai.durable import put_on_disk
from localai.locks import is_held, lock_descriptor

# A temporary file or folder is locked by its maker a moment after it is made. One that is unlocked
# and older than this was left by a killed process.
_LONGEST_UNLOCKED_S: Final = 60.0


class TemporaryFolder(tempfile.TemporaryDirectory[str]):
    """A folder of this process in `folder`, by default the system's temporary folder, removed with
    its object or at the end of `with`.

    Its name begins with `prefix`. Those of killed processes are removed when the next one with the
    same prefix is made there. Raises OSError.
    """

    def __init__(self, folder: Path | None = None, prefix: str = "localai-temporary-") -> None:
        folder = folder or Path(tempfile.gettempdir())
        _sweep(folder.glob(f"{glob.escape(prefix)}????????"))
        super().__init__(prefix=prefix, dir=folder)
        descriptor = os.open(self.name, os.O_RDONLY)
        lock_descriptor(descriptor)
        weakref.finalize(self, os.close, descriptor)


@contextlib.contextmanager
def temporary_file(target: Path, content: Iterable[bytes]) -> Iterator[Path]:
    """A file beside `target` with all of `content`, on the disk; it is removed at the end of the
    block."""
    prefix, suffix = f".{target.name}.", ".tmp"
    _sweep(target.parent.glob(f"{glob.escape(prefix)}????????{suffix}"))
    descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=target.parent)
    temporary = Path(name)
    lock_descriptor(descriptor)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(content)
            file.flush()
            put_on_disk(file.fileno())
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def sweep_temporaries(folder: Path) -> None:
    """Remove the temporary files of killed processes' `write_atomically` in `folder`. For a folder
    of localai's own, whose files' names are never written again."""
    _sweep(folder.glob(".*.????????.tmp"))


def _sweep(temporaries: Iterable[Path]) -> None:
    """Remove this user's temporary files and folders whose process has ended."""
    for path in temporaries:
        with contextlib.suppress(OSError):
            status = path.lstat()
            age_s = time.time() - status.st_mtime
            if status.st_uid != os.getuid() or age_s < _LONGEST_UNLOCKED_S or is_held(path):
                continue
            if stat.S_ISDIR(status.st_mode):
                shutil.rmtree(path, ignore_errors=True)
            elif stat.S_ISREG(status.st_mode):
                path.unlink()

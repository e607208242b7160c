"""Data on the disk itself, so that a power cut loses nothing of it.

macOS's `fsync` hands the data to the drive, which may keep it in a cache of its own; `F_FULLFSYNC`
has the drive write it (fsync(2), fcntl(2) there). Some file systems of networks lack it.
"""

from __future__ import annotations

import os
import sys

# <sys/fcntl.h> of macOS; elsewhere Python's `fcntl` does not have it.
F_FULLFSYNC = 51
# Typed as a plain text, so that mypy checks the branches of both systems.
_PLATFORM: str = sys.platform


def put_on_disk(descriptor: int) -> None:
    """Return once what was written to the file is on the disk. Raises OSError."""
    if _PLATFORM == "darwin":
        import fcntl

        try:
            fcntl.fcntl(descriptor, F_FULLFSYNC)
        except OSError:
            pass
        else:
            return
    os.fsync(descriptor)

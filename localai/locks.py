"""Locks between processes: `flock`s, each held by an open descriptor.

The kernel drops a lock when the process that owns it ends, however it ends, so no lock can go
stale. Closing the descriptor releases the lock; a child that inherits the descriptor owns it too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import Final

_POLL_S: Final = 0.01


def lock(path: Path, *, shared: bool = False, timeout_s: float | None = None) -> int:
    """Wait for a lock on the file `path`, which is made if it is missing. Returns the descriptor
    that holds the lock.

    Raises TimeoutError after `timeout_s` (None waits for ever), OSError if the file cannot be
    opened.
    """
    descriptor = _open(path)
    try:
        if timeout_s is None:
            lock_descriptor(descriptor, shared=shared, wait=True)
            return descriptor
        deadline = time.monotonic() + timeout_s
        while not lock_descriptor(descriptor, shared=shared):
            if time.monotonic() > deadline:
                raise TimeoutError(f"another process has held {path} for {timeout_s:.0f} s")
            time.sleep(_POLL_S)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def try_lock(path: Path) -> int | None:
    """An exclusive lock on the file `path`, as the descriptor that holds it; None if another
    process owns it.

    Raises OSError if the file cannot be opened, as in a folder that was removed.
    """
    descriptor = _open(path)
    if lock_descriptor(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def lock_descriptor(descriptor: int, *, shared: bool = False, wait: bool = False) -> bool:
    """Lock the file or folder that `descriptor` has open. Without `wait`, returns False if it is
    taken."""
    mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, mode if wait else mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(path: Path) -> bool:
    """Whether a living process owns an exclusive lock on the file `path`; False if there is no
    file."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not lock_descriptor(descriptor, shared=True)
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a living process owns a shared or exclusive lock on the file or folder `path`, which
    must not be a link. Raises OSError if it cannot be opened."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        return not lock_descriptor(descriptor)
    finally:
        os.close(descriptor)


def stopped_owners(path: Path) -> list[int]:
    """The pids of this user's processes that have `path` open, as the owner of its lock has, and
    that a signal has stopped, as Ctrl-Z does. Takes about 0.1 s."""
    import psutil

    file = str(path.resolve())
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() == psutil.STATUS_STOPPED and any(
                each.path == file for each in process.open_files()
            ):
                found.append(process.pid)
    return found


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

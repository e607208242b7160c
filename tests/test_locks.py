"""Locks between processes: taken, refused, waited for, and gone with their holder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localai.locks import is_locked, lock, lock_descriptor, try_lock

HOLD = "import sys; from pathlib import Path; from localai.locks import lock; \
lock(Path(sys.argv[1]), shared=sys.argv[2] == 'shared'); print(flush=True); sys.stdin.read()"


@contextmanager
def another_process(path: Path, mode: str = "exclusive") -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds `path` until it is killed or the block ends."""
    command = [sys.executable, "-c", HOLD, str(path), mode]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        yield holder


def test_a_held_lock_is_refused_and_its_wait_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with another_process(path):
        assert try_lock(path) is None
        assert is_locked(path)
        with pytest.raises(TimeoutError):
            lock(path, timeout_s=0.05)


def test_a_lock_dies_with_its_holder_however_that_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with another_process(path) as holder:
        holder.kill()
        os.close(lock(path, timeout_s=30))
    assert not is_locked(path)


def test_a_shared_lock_is_shared_and_keeps_out_an_exclusive_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with another_process(path, "shared"):
        os.close(lock(path, shared=True, timeout_s=1))
        assert not is_locked(path)
        assert try_lock(path) is None


def test_a_folder_can_be_locked_by_its_descriptor(tmp_path: Path) -> None:
    first, second = (os.open(tmp_path, os.O_RDONLY) for _ in range(2))
    try:
        assert lock_descriptor(first)
        assert not lock_descriptor(second)
        os.close(first)
        assert lock_descriptor(second, wait=True)
    finally:
        os.close(second)


def test_nothing_is_locked_where_there_is_no_file(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "lock")
    with pytest.raises(FileNotFoundError):
        try_lock(tmp_path / "removed" / "lock")

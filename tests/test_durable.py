"""What is promised to survive a power cut is on the disk: on macOS by its own call for that."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from localai import durable
from localai.database import Database
from localai.files import write_atomically


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The calls that put files on the disk, as a Mac would see them."""
    made: list[tuple[str, int]] = []
    monkeypatch.setattr(durable, "_PLATFORM", "darwin")
    monkeypatch.setattr(fcntl, "fcntl", lambda _, command: made.append(("fcntl", command)))
    real = os.fsync

    def fsync(descriptor: int) -> None:
        made.append(("fsync", 0))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return made


def test_a_mac_is_told_to_empty_the_drives_cache(
    calls: list[tuple[str, int]], tmp_path: Path
) -> None:
    write_atomically(tmp_path / "file", b"content")
    assert ("fcntl", 51) in calls, "F_FULLFSYNC of macOS"
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_file_system_without_it_gets_what_it_has(
    calls: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise OSError(45, "Operation not supported")

    monkeypatch.setattr(fcntl, "fcntl", refuses)
    with (tmp_path / "file").open("wb") as file:
        durable.put_on_disk(file.fileno())
    assert calls == [("fsync", 0)]


def test_the_database_asks_for_it_too(tmp_path: Path) -> None:
    database = Database(tmp_path / "localai.db")
    try:
        for pragma in ("fullfsync", "checkpoint_fullfsync"):
            assert database.db.execute(f"PRAGMA {pragma}").fetchone()[0] == 1, pragma
    finally:
        database.close()

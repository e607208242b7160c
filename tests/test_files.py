"""Files are written whole or not at all, told apart by what a look shows, and hashed."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.files import (
    as_path,
    content_key,
    copy_and_hash,
    create_atomically,
    hash_file,
    same_content,
    write_atomically,
    written_whole,
)


def test_an_atomic_write_replaces_all_or_nothing(tmp_path: Path) -> None:
    target = tmp_path / "x"
    write_atomically(target, b"one")
    write_atomically(target, b"two")
    assert target.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "missing" / "x", b"")


def test_a_large_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "m.gguf"
    with pytest.raises(RuntimeError), written_whole(target) as output:
        output.write(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with written_whole(target) as output:
        output.write(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [target]


def test_what_replaces_a_file_is_on_the_disk_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, fsync = tmp_path / "x", os.fsync
    target.write_bytes(b"old")
    synced: list[tuple[int, bytes]] = []
    named: list[bytes] = []

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            synced.append((os.fstat(descriptor).st_size, target.read_bytes()))
        else:
            named.append(target.read_bytes())

    monkeypatch.setattr(os, "fsync", noted)
    write_atomically(target, b"newer")
    assert synced == [(5, b"old")]
    with written_whole(target) as output:
        output.write(b"newest")
    assert synced[1:] == [(6, b"newer")]
    assert named == [b"newest"], "the folder, once the new file has the name"


def test_a_file_that_another_process_made_meanwhile_stays(tmp_path: Path) -> None:
    target = tmp_path / "x"

    def content() -> Iterator[bytes]:
        yield b"ours"
        target.write_bytes(b"theirs")

    with pytest.raises(FileExistsError):
        create_atomically(target, content())
    assert target.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [target]


def test_a_source_without_an_end_is_not_copied_whole_and_has_another_hash() -> None:
    expected = hashlib.sha256(b"abc").hexdigest()
    target = io.BytesIO()
    copying = copy_and_hash(io.BytesIO(b"abc" * 1000), target, 3, lambda done: done)
    told = []
    while True:
        try:
            told.append(next(copying))
        except StopIteration as end:
            assert end.value != expected
            break
    assert len(target.getvalue()) == 4
    assert told == [4]


def test_a_large_file_is_hashed_and_says_how_far_it_is(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(bytes(3 << 20))
    found = []

    def hashing() -> object:
        found.append((yield from hash_file(file, lambda done: done)))

    assert list(hashing())[-1] == 3 << 20  # type: ignore[call-overload]
    assert found == [hashlib.sha256(bytes(3 << 20)).hexdigest()]


def test_a_file_is_the_same_under_another_name_and_another_when_it_was_written_to(
    tmp_path: Path,
) -> None:
    file, link = tmp_path / "a", tmp_path / "b"
    file.write_bytes(b"one")
    before, key = file.stat(), content_key(file)
    link.hardlink_to(file)
    assert content_key(link) == key
    assert same_content(before, file.stat())
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert content_key(file) != key
    assert not same_content(before, file.stat())


def test_a_path_is_told_from_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    for name in ("m.gguf", "models/m", "qwen3"):
        (tmp_path / name).write_bytes(b"")
    for text in ("/nowhere/m.gguf", "./m", "../m", "~/m.gguf", "m.gguf", "models/m"):
        assert as_path(text) is not None, text
    # Written like a name, whatever lies here; and what is not here, unless it begins like a path.
    for text in ("qwen3", "qwen3:8b", "org/repo", "absent.gguf", "hf.co/org/repo:Q4_K_M", "models"):
        assert as_path(text) is None, text
    assert as_path("https://host/m.gguf") is None
    assert as_path("~/m.gguf") == Path.home() / "m.gguf"

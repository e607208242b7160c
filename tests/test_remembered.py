"""What is remembered is found again, is bounded, and is never in the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localai.remembered import Remembered


def remembered(file: Path, version: int = 1, most: int = 3) -> Remembered:
    return Remembered(file, version=version, most=most)


def test_what_was_saved_is_found_by_the_next_process(tmp_path: Path) -> None:
    file = tmp_path / "cache" / "x.json"
    first = remembered(file)
    first.put("a", {"n": 1})
    assert first.get("a") == {"n": 1}
    assert not file.exists()
    first.save()
    assert remembered(file).get("a") == {"n": 1}
    assert remembered(file).get("b") is None
    assert file.stat().st_mode & 0o777 == 0o600


def test_two_processes_keep_what_each_has_added(tmp_path: Path) -> None:
    one, other = remembered(tmp_path / "x.json"), remembered(tmp_path / "x.json")
    for each, key in ((one, "a"), (other, "b")):
        assert each.get(key) is None
        each.put(key, key)
        each.save()
    assert [remembered(tmp_path / "x.json").get(key) for key in "ab"] == ["a", "b"]


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for key in ("a", "b", "c", "a", "d"):
        each = remembered(tmp_path / "x.json")
        each.put(key, key)
        each.save()
    assert list(json.loads((tmp_path / "x.json").read_bytes())["entries"]) == ["c", "a", "d"]


def test_another_version_counts_as_nothing(tmp_path: Path) -> None:
    old = remembered(tmp_path / "x.json")
    old.put("a", 1)
    old.save()
    assert remembered(tmp_path / "x.json", version=2).get("a") is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"version": 1, "entries": []}', b"[" * 100_000]
)
def test_a_damaged_file_counts_as_empty_and_is_written_anew(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(content)
    each = remembered(file)
    assert each.get("a") is None
    each.put("a", 1)
    each.save()
    assert remembered(file).get("a") == 1


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    each = remembered(tmp_path / "cache" / "x.json")
    each.put("a", 1)
    each.save()
    assert each.get("a") == 1

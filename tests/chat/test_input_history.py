"""The lines typed in sessions, on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.chat import input_history


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "input_history"


def test_lines_come_back_as_they_were_and_are_the_owners_alone(file: Path) -> None:
    for text in ("one", "two\nlines", "three\r\u2028\x85", "\N{SNOWMAN}"):
        input_history.append(file, text)
    assert input_history.read(file) == ["one", "two\nlines", "three\r\u2028\x85", "\N{SNOWMAN}"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_damaged_line_and_a_missing_file_cost_nothing_else(file: Path) -> None:
    assert input_history.read(file) == []
    input_history.append(file, "one")
    with file.open("ab") as opened:
        opened.write(b'"cut off\n\xff\xfe\n7\n')
    input_history.append(file, "two")
    assert input_history.read(file) == ["one", "two"]


def test_it_is_bounded_and_leaves_the_newest(file: Path) -> None:
    for number in range(1_300):
        input_history.append(file, f"{number} " + "x" * 1_000)
    assert file.stat().st_size <= 1_100_000
    assert input_history.read(file)[-1].startswith("1299 ")
    input_history.append(file, "y" * (input_history.LONGEST_CHARACTERS + 1))
    assert input_history.read(file)[-1].startswith("1299 ")


def test_what_is_forgotten_is_gone_from_the_file(file: Path) -> None:
    for text in ("keep", "secret", "keep too", "secret"):
        input_history.append(file, text)
    input_history.remove(file, {"secret"})
    assert input_history.read(file) == ["keep", "keep too"]
    assert b"secret" not in file.read_bytes()

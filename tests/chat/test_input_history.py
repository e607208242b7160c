"""The lines typed in sessions, on disk."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from localai.chat import input_history
from localai.files import write_atomically


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "input_history"


def test_lines_come_back_as_they_were_and_are_the_owners_alone(file: Path) -> None:
    for text in ("one", "two\nlines", "three\r\u2028\x85", "\N{SNOWMAN}"):
        input_history.append(file, text, "c1")
    assert input_history.read(file) == ["one", "two\nlines", "three\r\u2028\x85", "\N{SNOWMAN}"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_damaged_line_and_a_missing_file_cost_nothing_else(file: Path) -> None:
    assert input_history.read(file) == []
    input_history.append(file, "one", "c1")
    with file.open("ab") as opened:
        opened.write(b'"cut off\n\xff\xfe\n7\n')
    input_history.append(file, "two", "c1")
    assert input_history.read(file) == ["one", "two"]


@pytest.mark.parametrize("characters", [1_000, input_history.LONGEST_CHARACTERS - 5])
def test_it_is_bounded_and_leaves_the_newest(file: Path, characters: int) -> None:
    shortened, size = 0, 0
    for number in range(1_300):
        input_history.append(file, f"{number} " + "x" * characters, "c1")
        before, size = size, file.stat().st_size
        shortened += size < before
    assert size <= 1_000_000
    assert 1 <= shortened <= 25, "most lines are written at the end of the file"
    assert 50 <= len(input_history.read(file)) <= 1_000
    assert input_history.read(file)[-1].startswith("1299 ")
    input_history.append(file, "y" * (input_history.LONGEST_CHARACTERS + 1), "c1")
    assert input_history.read(file)[-1].startswith("1299 ")


def test_what_is_forgotten_is_gone_from_the_file(file: Path) -> None:
    for text in ("keep", "secret", "keep too", "secret"):
        input_history.append(file, text, "c1")
    input_history.remove(file, ["c2"], {"secret"})
    assert input_history.read(file) == ["keep", "keep too"]
    assert b"secret" not in file.read_bytes()


def test_what_was_typed_in_a_conversation_goes_with_it_however_it_was_typed(file: Path) -> None:
    input_history.append(file, '"""\nsecret\n"""', "c1")
    input_history.append(file, "other", "c2")
    input_history.append(file, "/title the old secret title", "c1")
    input_history.remove(file, ["c1"], {"the new title"})
    assert input_history.read(file) == ["other"]
    assert b"secret" not in file.read_bytes()


def test_shortening_the_file_brings_nothing_back_that_was_removed_meanwhile(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    input_history.append(file, "secret", "c1")
    removal = threading.Thread(target=input_history.remove, args=(file, ["c1"], ()))
    write = write_atomically

    def late(*arguments: Any) -> None:
        if not removal.ident:
            removal.start()
            removal.join(0.3)
        write(*arguments)

    monkeypatch.setattr(input_history, "write_atomically", late)
    monkeypatch.setattr(input_history, "_BOUND_BYTES", 0)
    input_history.append(file, "other", "c2")
    removal.join(5)
    assert input_history.read(file) == ["other"]

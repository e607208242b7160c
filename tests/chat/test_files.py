"""Text files that go along with a question."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.chat.files import TextFile, read_text_file, with_files
from localai.errors import InvalidInput, NotFound


def test_a_file_goes_before_the_question_under_its_name(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("a\nb\n", encoding="utf-8")
    read = read_text_file(str(file))
    assert with_files([read], "why?") == f"{file}:\n```\na\nb\n```\n\nwhy?"


def test_a_fence_within_a_file_does_not_end_it() -> None:
    text = with_files([TextFile("x.md", "````\ncode\n````")], "q")
    assert text.startswith("x.md:\n`````\n")


def test_utf16_that_says_so_is_read(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("é", encoding="utf-16")
    assert read_text_file(str(file)).text == "é"


@pytest.mark.parametrize(
    ("content", "message"), [(b"\x00\x01", "is binary"), (b"caf\xe9", "not UTF-8: byte 0xe9")]
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "data"
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        read_text_file(str(file))


def test_a_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot read"):
        read_text_file(str(tmp_path))
    with pytest.raises(NotFound, match="there is no file"):
        read_text_file(str(tmp_path / "none"))

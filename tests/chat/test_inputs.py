"""Stdin: a clear rule for what is text."""

from __future__ import annotations

import os
import threading
import time

import pytest

from localai.chat import inputs
from localai.chat.encodings import decode
from localai.chat.inputs import TextFile, with_files, without_files
from localai.errors import InvalidInput


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", ""),
        ("grüße 🌍\n".encode(), "grüße 🌍\n"),
        ("\ufeffwith a mark".encode(), "with a mark"),
        ("wide".encode("utf-16"), "wide"),
        (b"a\r\nb\x1b[0m", "a\r\nb\x1b[0m"),
    ],
)
def test_text_is_read_as_it_is(content: bytes, text: str) -> None:
    assert decode(content, "stdin") == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x7fELF\x00\x01", "binary \\(a NUL byte at offset 4\\)"),
        ("grün".encode("latin-1"), "not UTF-8: byte 0xfc at offset 2"),
        (b"cut \xe2\x82", "not UTF-8: byte 0xe2 at offset 4"),
    ],
)
def test_what_is_not_text_is_refused_with_the_place(content: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as error:
        decode(content, "stdin")
    assert error.value.hint


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "LIMIT_BYTES", 10)
    read, write = os.pipe()
    os.write(write, b"x" * 11)
    os.close(write)
    with os.fdopen(read, "rb") as stream, pytest.raises(InvalidInput, match="more than"):
        inputs.read_text(stream, on_wait=lambda: None)


def test_a_silent_pipe_is_mentioned_and_then_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_SILENCE_S", 0.05)
    read, write = os.pipe()
    said: list[bool] = []

    def writer() -> None:
        while not said:
            time.sleep(0.01)
        os.write(write, b"late")
        os.close(write)

    thread = threading.Thread(target=writer)
    thread.start()
    with os.fdopen(read, "rb") as stream:
        assert inputs.read_text(stream, on_wait=lambda: said.append(True)) == "late"
    thread.join()
    assert said == [True]


@pytest.mark.parametrize("text", ["plain\n", "with\n\n```\na fence\n```\n"])
def test_the_question_is_found_behind_its_files(text: str) -> None:
    files = [TextFile("a.py", text), TextFile("b c.md", text)]
    assert without_files(with_files(files, "What is it?")) == "What is it? (a.py, b c.md)"
    assert without_files(with_files(files, "")) == with_files(files, "")
    assert without_files("note:\nno fence") == "note:\nno fence"

"""What was typed at a session's prompt."""

from __future__ import annotations

import pytest

from localai.session.typed_text import Pastes, Typed, is_open, repaired, understand


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("", Typed("nothing", "", "")),
        ("  \n ", Typed("nothing", "", "")),
        ('""""""', Typed("nothing", "", "")),
        ("hello", Typed("question", "", "hello")),
        ("/help", Typed("command", "help", "")),
        ("/?", Typed("command", "?", "")),
        ("/set temperature 0.5 ", Typed("command", "set", "temperature 0.5")),
        ("/system two\nlines", Typed("command", "system", "two\nlines")),
        ("/hlep", Typed("command", "hlep", "")),
        ("/etc/hosts is what?", Typed("question", "", "/etc/hosts is what?")),
        (" /help", Typed("question", "", "/help")),
        ("!ls", Typed("question", "", "!ls")),
        ('"""one\n\n  two"""', Typed("question", "", "one\n\n  two")),
        ('"""\n/help\n"""', Typed("question", "", "/help")),
    ],
)
def test_a_line_is_a_question_a_command_or_nothing(text: str, understood: Typed) -> None:
    assert understand(text) == understood


@pytest.mark.parametrize(
    ("text", "open_"),
    [("a", False), ('"""', True), ('"""a', True), ('"""a"""', False), ('""""""', False)],
)
def test_quotes_stay_open_until_they_are_closed(text: str, open_: bool) -> None:
    assert is_open(text) is open_


def test_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    assert repaired(b"caf\xe9 \xc3\xa9".decode("utf-8", "surrogateescape")) == "caf\ufffd é"


def test_a_large_paste_stands_as_a_mark_and_goes_out_whole() -> None:
    pastes = Pastes()
    large = "line\n" * 50_000
    assert pastes.mark("two\nlines") == "two\nlines"
    mark = pastes.mark(large)
    assert mark == "[paste 1: 250,000 characters, 50,001 lines]"
    assert pastes.expand(f"see {mark}, then") == f"see {large}, then"
    assert pastes.has_marks(mark)
    assert pastes.mark(large) != mark

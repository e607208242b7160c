"""A model's output cannot command the terminal, and honest text passes as it is."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from localai.untrusted import (
    MAX_CONTROL_STRING,
    Sanitizer,
    markdown_words,
    sanitize,
    spreadsheet_words,
)

CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f]"
)
INTRODUCERS = ["\x1b", "\x1b[", "\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x9b", "\x9d"]
ENDINGS = ["\x1b\\", "\x9c", "\x07", "\x18", "\r", "\n", "\r\n"]
OTHERS = ["\x08", "\x00", "\u202e", "\U000e0041", "\ud800", " ", "é", "日本"]
PAYLOADS = ["31m", "8;;http://a", "52;c;aGk=", "0;title", "a"]
HOSTILE = st.lists(
    st.sampled_from([*INTRODUCERS, *ENDINGS, *OTHERS, *PAYLOADS]) | st.text(max_size=3)
).map("".join)


def in_chunks(text: str, sizes: list[int]) -> str:
    sanitizer = Sanitizer()
    output, position = "", 0
    for size in sizes:
        output += sanitizer.feed(text[position : position + size])
        position += size
    return output + sanitizer.feed(text[position:]) + sanitizer.close()


@given(HOSTILE)
@example("\x1b]52;c;" + "a" * 5000)
def test_no_control_ever_gets_through(text: str) -> None:
    assert not CONTROLS.search(sanitize(text))


@given(HOSTILE, st.lists(st.integers(0, 4), max_size=30))
@example("a\r\nb", [2, 1])
@example("\x1b]8;;u\x1b\\text", [7, 1, 1])
def test_chunks_make_no_difference(text: str, sizes: list[int]) -> None:
    assert in_chunks(text, sizes) == sanitize(text)


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf"]) | st.sampled_from("\n\t\u200d")),
    st.lists(st.integers(0, 4), max_size=30),
)
@settings(max_examples=200)
def test_text_without_controls_passes_unchanged(text: str, sizes: list[int]) -> None:
    assert in_chunks(text, sizes) == text


def test_a_line_end_split_over_chunks_counts_once_and_the_next_one_again() -> None:
    sanitizer = Sanitizer()
    pieces = ["a\r", "\nb", "\nc", "\r", "\r\n", "\nd"]
    assert "".join(map(sanitizer.feed, pieces)) + sanitizer.close() == "a\nb\nc\n\n\nd"
    assert sanitize("".join(pieces)) == "a\nb\nc\n\n\nd"


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[H\x1b[?1049hgone", "gone"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]52;c;cm0gLXJmIH4=\x07text", "text"),
        ("\x9d52;c;cm0gLXJmIH4=\x9ctext", "text"),
        ("see \x1b]8;;http://evil\x1b\\https://bank\x1b]8;;\x1b\\!", "see https://bank!"),
        ("\x1bPq#0;2;0\x1b\\sixel", "sixel"),
        ("\x1b_Gf=100;AAAA\x1b\\kitty", "kitty"),
        ("\x1b^pm\x1b\\\x1bXsos\x1b\\text", "text"),
        ("\x1b]0;cancelled\x18text", "text"),
        ("\x1b(0lqk\x1b(B", "lqk"),
        ("\x1bc\x1b7\x1b8reset", "reset"),
        ("\x1b[6nreport", "report"),
        ("lone \x1b\nnext", "lone \nnext"),
        ("end\x1b", "end"),
        ("50%\r100%\r\ndone\r", "50%\n100%\ndone\n"),
        ("pass\x08\x08\x08\x08word\x07\x7f\x00", "password"),
        ("\u202etxt.exe\u202c \u2066x\u2069", "txt.exe x"),
        ("hidden\U000e0069\U000e0067", "hidden"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("\x1b[31", ""),
        ("\x1b[31\nnext", "\nnext"),
    ],
)
def test_each_kind_of_escape_is_removed(hostile: str, harmless: str) -> None:
    assert sanitize(hostile) == harmless
    assert in_chunks(hostile, [1] * len(hostile)) == harmless


def test_right_to_left_text_and_joined_emoji_stay() -> None:
    text = "שלום \u200fעולם می‌خواهم 👩‍👩‍👧 🏳️‍🌈"
    assert sanitize(text) == text


def test_a_control_string_that_never_ends_hides_one_line_at_most_and_loses_nothing() -> None:
    assert sanitize("\x1b]0;never ended\nthe answer\n") == "0;never ended\nthe answer\n"
    assert sanitize("\x1b]0;never ended") == "0;never ended"


def test_a_long_control_string_is_held_back_only_so_far() -> None:
    sanitizer = Sanitizer()
    fed, shown = 0, ""
    sanitizer.feed("\x1bP")
    while not shown:
        shown = sanitizer.feed("x" * 100)
        fed += 100
    assert fed <= MAX_CONTROL_STRING + 100


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("=1+1", "'=1+1"),
        (" \t=1+1", "'  =1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-1", "'-1"),
        ("+1", "'+1"),
        ("llama=3", "llama=3"),
    ],
)
def test_no_cell_is_a_formula(written: str, shown: str) -> None:
    assert spreadsheet_words(written) == shown


def test_a_name_in_markdown_is_no_markup_and_mentions_nobody() -> None:
    assert markdown_words("![x](http://y)\n# @all") == (
        r"\!\[x\](http://y) \# " + "@\N{ZERO WIDTH SPACE}all"
    )
    assert markdown_words("a_b and _c_") == r"a_b and \_c\_"


def test_a_megabyte_takes_milliseconds() -> None:
    text = "An ordinary line of an answer, with “quotes” and ümläuts.\n" * 17_000
    started = time.thread_time()
    assert sanitize(text) == text
    assert time.thread_time() - started < 0.25

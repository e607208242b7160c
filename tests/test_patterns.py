"""A lazy pattern is the standard library's, compiled later; and no pattern that reads what
strangers write takes the square of a text's length."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from localai.doctor.redaction import Private, redact_text
from localai.errors import InvalidInput
from localai.fetch import oci
from localai.output.markdown.stream import render_markdown
from localai.patterns import lazy_pattern
from localai.wires.ollama.server import keep_alive_s


def test_it_finds_what_the_standard_library_s_would() -> None:
    word = lazy_pattern(r"(?P<first>[a-z])\w*", re.IGNORECASE)
    found = word.match("Ada, Grace")
    assert found is not None
    assert (found["first"], found.group()) == ("A", "Ada")
    assert word.sub("x", "Ada, Grace") == "x, x"
    assert [each.group() for each in word.finditer("a b")] == ["a", "b"]
    assert word.fullmatch("Ada, Grace") is None
    assert word.split("1Ada2") == ["1", "A", ""]
    assert (word.pattern, word.groups) == (r"(?P<first>[a-z])\w*", 1)


def test_bytes_have_patterns_too() -> None:
    assert lazy_pattern(rb"\d+").findall(b"1 and 23") == [b"1", b"23"]


def test_a_mistake_raises_when_the_pattern_is_used() -> None:
    broken = lazy_pattern("(")
    with pytest.raises(re.error, match="missing \\)"):
        broken.search("text")


def _keep_alive(text: str) -> None:
    with pytest.raises(InvalidInput):
        keep_alive_s(text)


@pytest.mark.clock
@pytest.mark.parametrize(
    ("read", "text"),
    [
        (lambda text: redact_text(text, Private()), "/home/jane/" + ".l" * 100_000),
        (lambda text: redact_text(text, Private()), "eyJ-" * 50_000),
        (lambda text: render_markdown(text, columns=80, color=False), "\\(" * 10_000),
        (oci._PARAMETER.findall, "a" * 200_000),
        (_keep_alive, "1" * 200_000),
    ],
    ids=[
        "a report's path",
        "a report's token",
        "an answer's formulas",
        "a challenge",
        "a duration",
    ],
)
def test_a_long_text_takes_no_square_of_its_length(
    read: Callable[[str], object], text: str
) -> None:
    began = time.process_time()
    read(text)
    assert time.process_time() - began < 4, "half a minute and more with the square"

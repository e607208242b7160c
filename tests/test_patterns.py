"""A lazy pattern is the standard library's, compiled later."""

from __future__ import annotations

import re

import pytest

from localai.patterns import lazy_pattern


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

"""Comparison of two texts, word by word: their differences and their similarity. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal

WordChange = Literal["same", "only_a", "only_b"]

_WORD = re.compile(r"\s+|\w+\s?|[^\w\s]\s?")
_MOST_WORDS = 6_000
"""Of both texts together: the time grows with their product (half a second for so many)."""


def word_changes(a: str, b: str) -> Iterator[tuple[WordChange, str]]:
    """The pieces of both texts, in order: in both, in `a` alone, in `b` alone.

    Of very long texts, only the common beginning is found.
    """
    words_a, words_b = _WORD.findall(a), _WORD.findall(b)
    if len(words_a) + len(words_b) > _MOST_WORDS:
        yield from _after_the_beginning(a, b)
        return
    matcher = SequenceMatcher(None, words_a, words_b, autojunk=False)
    for kind, a1, a2, b1, b2 in matcher.get_opcodes():
        if kind == "equal":
            yield "same", "".join(words_a[a1:a2])
            continue
        if a2 > a1:
            yield "only_a", "".join(words_a[a1:a2])
        if b2 > b1:
            yield "only_b", "".join(words_b[b1:b2])


def similarity(a: str, b: str) -> float:
    """The share of words that both texts have in the same order, 0 to 1 (Ratcliff and
    Obershelp)."""
    words_a, words_b = a.split()[:_MOST_WORDS], b.split()[:_MOST_WORDS]
    return SequenceMatcher(None, words_a, words_b, autojunk=False).ratio()


def same_beginning(a: str, b: str) -> int:
    """The number of equal characters at the beginning."""
    length = min(len(a), len(b))
    return next((n for n in range(length) if a[n] != b[n]), length)


def _after_the_beginning(a: str, b: str) -> Iterator[tuple[WordChange, str]]:
    same = same_beginning(a, b)
    pieces: tuple[tuple[WordChange, str], ...] = (
        ("same", a[:same]),
        ("only_a", a[same:]),
        ("only_b", b[same:]),
    )
    yield from (piece for piece in pieces if piece[1])

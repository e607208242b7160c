"""What a model is asked when it is measured: natural text of an exact length, never asked before.

Every prompt begins with eight words drawn by lot, so that nothing of it can come out of a cache;
the text after them is the same each time, and so is its length. Owns texts and lengths; asks
nobody anything.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Final

_TEXTS: Final = ("prose.txt", "code.py.txt", "data.md", "other.txt")
_BY_QUALITY: Final = ("prose.txt", "data.md", "other.txt", "code.py.txt")
_NONCE_WORDS: Final = 8
# A text may differ by this share from the length that was asked for. The result has the server's
# own count of it.
_NEAR_ENOUGH: Final = 0.01
_MOST_COUNTS: Final = 24
_TYPICAL_CHARACTERS_A_TOKEN: Final = 3.5
# No tokenizer needs so few tokens for natural text: a count that says so is not believed.
_MOST_CHARACTERS_A_TOKEN: Final = 40


def nonce(source: random.Random) -> str:
    """Eight words that no earlier prompt began with: 10^18 possibilities."""
    return " ".join(source.choices(_words(), k=_NONCE_WORDS))


@cache
def _words() -> list[str]:
    return _text("words.txt").split()


def _text(name: str) -> str:
    return (files("localai.bench") / "texts" / name).read_text(encoding="utf-8")


@cache
def paragraphs() -> tuple[str, ...]:
    """The bundled texts: prose, code, Markdown with JSON, and languages of other scripts."""
    return tuple(part for name in _TEXTS for part in paragraphs_of(name))


def paragraphs_of(name: str) -> list[str]:
    """One of the bundled texts."""
    return [part.strip("\n") for part in _text(name).split("\n\n") if part.strip()]


def quality_text() -> str:
    """What the quality of a model is judged by: all bundled texts, the written ones first."""
    return "\n\n".join(_text(name).strip("\n") for name in _BY_QUALITY)


def text_of(characters: int, skipped: int = 0) -> str:
    """So many characters of the bundled texts after the first `skipped`; where they end, they
    begin again."""
    whole = "\n\n".join(paragraphs()) + "\n\n"
    start = skipped % len(whole)
    return (whole * (2 + characters // len(whole)))[start : start + characters]


EDIT: Final = "\n\nWrite this file again in full, with every `median` in it called `middle`."
"""What is asked of the code before it: an answer that mostly copies."""


def code_begins() -> int:
    """The number of characters before the code in the bundled texts."""
    return text_of(1 << 16).index(paragraphs_of("code.py.txt")[0])


def fitted_text(count: Callable[[str], int | None], tokens: int, skipped: int = 0) -> str:
    """The text that makes a prompt of `tokens`, within 1%. `skipped` is as for `text_of`.

    `count` counts the tokens of the whole prompt with a text in it. If it returns None, or as much
    as for no text, the text has the usual length. The text is empty if the prompt is as long
    without it.
    """
    usual = characters = round(tokens * _TYPICAL_CHARACTERS_A_TOKEN)
    empty = count("")
    if empty is None:
        return text_of(characters, skipped)
    if empty >= tokens:
        return ""
    low, high = (0, empty), None
    for _ in range(_MOST_COUNTS):
        found = count(text_of(characters, skipped))
        if found is None or abs(found - tokens) <= max(0, int(tokens * _NEAR_ENOUGH) - 1):
            break
        if found <= empty:
            return text_of(usual, skipped)
        if found < tokens:
            low = (characters, found)
        else:
            high = (characters, found)
        following = _between(low, high, tokens)
        if following == characters or (high is not None and high[0] - low[0] <= 1):
            break
        if following > tokens * _MOST_CHARACTERS_A_TOKEN:
            return text_of(usual, skipped)
        characters = following
    return text_of(characters, skipped)


def _between(low: tuple[int, int], high: tuple[int, int] | None, tokens: int) -> int:
    """The number of characters to try next for `tokens`. `low` and `high` are the characters and
    tokens of the longest text that was too short and of the shortest that was too long."""
    if high is None:
        rate = low[0] / low[1] if low[0] and low[1] else _TYPICAL_CHARACTERS_A_TOKEN
        return low[0] + max(1, round((tokens - low[1]) * rate))
    share = (tokens - low[1]) / max(1, high[1] - low[1])
    inside = low[0] + round(share * (high[0] - low[0]))
    return min(max(inside, low[0] + 1), high[0] - 1)

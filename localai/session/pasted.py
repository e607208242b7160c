"""Pastes too large to be edited at a prompt: a short mark stands for each. Pure.

prompt_toolkit lays all text out again at every key; two megabytes would stall it.
"""

from __future__ import annotations

_LARGE_CHARACTERS = 8_000
_LARGE_LINES = 100


class Pastes:
    """The large pastes of a session, and the marks that stand for them."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def mark(self, text: str) -> str:
        """What to insert for a pasted `text`: itself, or the mark of a large one."""
        lines = text.count("\n") + 1
        if len(text) <= _LARGE_CHARACTERS and lines <= _LARGE_LINES:
            return text
        size = f"{len(text):,} characters, {lines:,} lines"
        mark = f"[paste {len(self._texts) + 1}: {size}]"
        self._texts[mark] = text
        return mark

    def expand(self, line: str) -> str:
        """`line` with the whole text for each mark that is still in it."""
        for mark, text in self._texts.items():
            line = line.replace(mark, text)
        return line

    def has_marks(self, line: str) -> bool:
        """Whether a mark is in `line`."""
        return any(mark in line for mark in self._texts)

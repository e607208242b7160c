"""The meaning of a text that was typed or pasted at the prompt. Pure."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from localai.units import counted

QUOTES = '"""'

_COMMAND = re.compile(r"/(?P<name>[a-z?-]*)(?:\s+(?P<argument>.*))?\Z", re.DOTALL)


class Typed(NamedTuple):
    """A `question` (its text in `argument`), a `command`, or `nothing`."""

    kind: Literal["question", "command", "nothing"]
    name: str
    argument: str


def is_open(text: str) -> bool:
    """Whether `text` began with quotes that are not closed yet, so that Enter is a new line."""
    text = text.strip()
    return text.startswith(QUOTES) and not (len(text) >= 6 and text.endswith(QUOTES))


def repaired(text: str) -> str:
    """`text` with a replacement character for each byte from the keyboard that was no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def understand(text: str) -> Typed:
    """The meaning of `text`. A slash begins a command, unless another one follows in the same word:
    `/etc/hosts is what?` is a question. So is a text that begins with a space or stands in
    quotes."""
    stripped = text.strip()
    if not stripped:
        return Typed("nothing", "", "")
    if stripped.startswith(QUOTES):
        body = stripped.removeprefix(QUOTES).removesuffix(QUOTES).strip("\n")
        return Typed("question" if body.strip() else "nothing", "", body)
    match = _COMMAND.match(text.rstrip())
    if match is not None:
        return Typed("command", match["name"], (match["argument"] or "").strip())
    return Typed("question", "", stripped)


_LARGE_CHARACTERS = 8_000
_LARGE_LINES = 100


class Pastes:
    """The large pastes of a session, and the marks that stand for them."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def mark(self, text: str) -> str:
        """The text to insert for a pasted `text`: itself, or the mark of a large one."""
        lines = text.count("\n") + 1
        if len(text) <= _LARGE_CHARACTERS and lines <= _LARGE_LINES:
            return text
        size = f"{counted(len(text), 'character')}, {counted(lines, 'line')}"
        mark = f"[paste {len(self._texts) + 1}: {size}]"
        self._texts[mark] = text
        return mark

    def expand(self, line: str) -> str:
        """`line` with the whole text in the place of each mark."""
        for mark, text in self._texts.items():
            line = line.replace(mark, text)
        return line

    def has_marks(self, line: str) -> bool:
        """Whether a mark is in `line`."""
        return any(mark in line for mark in self._texts)

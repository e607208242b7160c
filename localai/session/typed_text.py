'''What was typed at the prompt: many lines between `"""`, a command, or a question. Pure.'''

from __future__ import annotations

import re
from typing import Literal, NamedTuple

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
    """`text` with a replacement character for each byte of the keyboard's that was no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def understand(text: str) -> Typed:
    """What `text` means. A slash begins a command, unless another one follows in the same word:
    `/etc/hosts is what?` is a question; so is all that begins with a space or stands in quotes."""
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

"""Where an action of a template ends. Pure.

In linear time, whatever the text: what is opened and never closed is looked for once, and not again
from each opening.
"""

from __future__ import annotations

import re
from typing import Final

from localai.patterns import lazy_pattern

_PLAIN: Final = lazy_pattern(r"[^\"`/}]*+")
_STRING: Final = lazy_pattern(r"[^\"\\\n]*+(?:\\.[^\"\\\n]*+)*+", re.DOTALL)


def action_end(text: str, at: int) -> int | None:
    """Where the `}}` stands that ends the action whose inside begins at `at`; None if there is
    none. Within a text in quotes and a comment it ends nothing."""
    quotes_from = at
    closes = {"`": True, "*/": True}
    while True:
        plain = _PLAIN.match(text, at)
        at = plain.end() if plain is not None else at
        sign = text[at : at + 1]
        if not sign:
            return None
        if sign == "}" and text.startswith("}}", at):
            return at
        if sign == '"' and at >= quotes_from:
            inside = _STRING.match(text, at + 1)
            end = inside.end() if inside is not None else at + 1
            if text[end : end + 1] == '"':
                at = end
            else:
                quotes_from = end
        elif sign == "`" and closes["`"]:
            at, closes["`"] = _behind(text, "`", at)
        elif text.startswith("/*", at) and closes["*/"]:
            at, closes["*/"] = _behind(text, "*/", at)
        at += 1


def _behind(text: str, end: str, at: int) -> tuple[int, bool]:
    """The last character of the `end` of what begins at `at`, and whether there is one."""
    length = 2 if end == "*/" else 1
    found = text.find(end, at + length)
    return (at, False) if found < 0 else (found + length - 1, True)

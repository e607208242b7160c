"""Colours for source code, from the terminal's own 16, readable on dark and on light.

A line is coloured once, by the lines up to it; later lines never change the colour of printed ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pygments.lexer import Lexer
    from rich.text import Text

CONTEXT_LINES = 60
"""Lines before a new one that are lexed again with it, so that a docstring that began there is
known; more would make a long block quadratic."""
_MAX_CHARACTERS = 30_000
"""Beyond this (minified code) a block is left plain: some lexers are slow on very long lines."""

_STYLES = {
    "Comment": "dim italic",
    "Keyword": "magenta",
    "Literal.String": "green",
    "Literal.Number": "cyan",
    "Name.Function": "blue",
    "Name.Class": "blue",
    "Name.Decorator": "blue",
    "Name.Tag": "blue",
    "Name.Builtin": "cyan",
    "Name.Attribute": "cyan",
    "Name.Exception": "red",
    "Generic.Deleted": "red",
    "Generic.Inserted": "green",
    "Generic.Heading": "bold",
    "Generic.Subheading": "magenta",
    "Generic.Prompt": "dim",
}


def color_lines(lines: Sequence[str], first: int, language: str) -> list[Text]:
    """`lines[first:]`, coloured if pygments knows the `language`."""
    from rich.text import Text

    start = max(0, first - CONTEXT_LINES)
    code = "\n".join(lines[start:])
    lexer = _lexer(language)
    colored = Text()
    if lexer is not None and len(code) <= _MAX_CHARACTERS:
        for token, value in lexer.get_tokens(code):
            colored.append(value, _style(str(token)))
    if colored.plain != code:
        colored = Text(code)
    return list(colored.split("\n", allow_blank=True))[first - start :]


@lru_cache(maxsize=16)
def _lexer(language: str) -> Lexer | None:
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


@lru_cache(maxsize=256)
def _style(token: str) -> str | None:
    name = token.removeprefix("Token.")
    while name:
        if name in _STYLES:
            return _STYLES[name]
        name = name.rpartition(".")[0]
    return None

"""The variables in a template's texts: `$name`, `${name}`, and `$$` for a dollar. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_VARIABLE: Final = re.compile(
    r"\$(?:(?P<escaped>\$)|\{(?P<braced>[A-Za-z_]\w*)\}|(?P<plain>[A-Za-z_]\w*))"
)


def names_in(text: str) -> list[str]:
    """The variables in `text`, in the order in which they appear."""
    found = (match["braced"] or match["plain"] for match in _VARIABLE.finditer(text))
    return [name for name in found if name]


def substitute(text: str, values: Mapping[str, str]) -> str:
    """`text` with its variables filled in; `$$` becomes `$`, and a `$` without a name (`$5`)
    stays."""

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        return values[match["braced"] or match["plain"]]

    return _VARIABLE.sub(value, text)

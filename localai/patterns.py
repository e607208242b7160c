"""Regular expressions that are compiled when they are first used.

Start-up is a feature: a module's expressions take up to a millisecond each to compile, and most
commands use few of those that they import. Type checkers see the standard library's `re.Pattern`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, AnyStr

_METHODS = ("search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn")


class _Pattern:
    """What `re.compile` would have returned. Each of its methods becomes an attribute, so that a
    call costs no more than the original's."""

    def __init__(self, text: str | bytes, flags: int = 0) -> None:
        self._text = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        compiled: re.Pattern[Any] = re.compile(self._text, self._flags)
        vars(self).update({method: getattr(compiled, method) for method in _METHODS})
        return getattr(compiled, name)


if TYPE_CHECKING:

    def lazy_pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
        """As `re.compile(text, flags)`. An expression with a mistake raises when it is used."""

else:
    lazy_pattern = _Pattern

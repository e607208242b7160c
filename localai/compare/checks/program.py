"""What the `runs` of a case asks of an answer's code. Pure.

true                                      it runs to its end without an error
{"test": "assert add(2, 3) == 5"}         and so does this after it, in Python
{"input": "2 3", "prints": "5"}           it reads that and prints this
"""

from __future__ import annotations

from typing import Any, Final

from localai.compare.checks.check import shown, wrong
from localai.dataclass import dataclass

_FIELDS: Final = ("test", "input", "prints")


@dataclass(frozen=True, slots=True)
class Program:
    """How an answer's code is run; `prints` None: whatever it prints."""

    test: str = ""
    input: str = ""
    prints: str | None = None

    @property
    def expected(self) -> str:
        """What is expected, to a person."""
        if self.prints is not None:
            return f"code that prints {shown(self.prints)!r}"
        return f"code that passes {shown(self.test)!r}" if self.test else "code that runs"


def read_program(value: Any) -> Program:
    """The program of a `runs`. Raises InvalidInput."""
    if value is True:
        return Program()
    fits = isinstance(value, dict) and value and set(value) <= set(_FIELDS)
    if not fits or not all(isinstance(each, str) for each in value.values()):
        raise wrong("runs", f"true or an object of texts: {', '.join(_FIELDS)}", value)
    return Program(**value)

"""The value of `runs` in a case: how an answer's code is run, and what it must do. Pure.

true                                  it runs to its end without an error
{"test": "assert add(2, 3) == 5"}     so does this Python code after it
{"input": "2 3", "prints": "5"}       it reads the input and prints this
"""

from __future__ import annotations

from typing import Any, Final

from localai.compare.checks.check import shown, wrong
from localai.dataclass import dataclass

_FIELDS: Final = ("test", "input", "prints")


@dataclass(frozen=True, slots=True)
class Program:
    """How an answer's code is run. `prints` None means that its output does not matter."""

    test: str = ""
    input: str = ""
    prints: str | None = None

    @property
    def expected(self) -> str:
        """The expectation as a text for a person."""
        if self.prints is not None:
            return f"code that prints {shown(self.prints)!r}"
        return f"code that passes {shown(self.test)!r}" if self.test else "code that runs"


def read_program(value: Any) -> Program:
    """The program of a `runs` value. Raises InvalidInput."""
    if value is True:
        return Program()
    fits = isinstance(value, dict) and value and set(value) <= set(_FIELDS)
    if not fits or not all(isinstance(each, str) for each in value.values()):
        raise wrong("runs", f"true or an object of texts: {', '.join(_FIELDS)}", value)
    return Program(**value)

"""What a check is, what it looks at, and what it finds. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.types import ToolCall, ZoneName

_LONGEST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Observation:
    """What a check saw of an answer; `passed` None: it cannot be judged, and `got` says why."""

    passed: bool | None
    got: str


@dataclass(frozen=True, slots=True)
class Said:
    """An answer as its checks see it; None is unknown.

    `outside` has what could not be looked up in the answer itself (a judge's verdict, what a
    program did), by the `key` of the check.
    """

    text: str
    finish_reason: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    total_s: float | None = None
    tokens_per_s: float | None = None
    cost: float | None = None
    zone: ZoneName | None = None
    outside: Mapping[str, Observation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check and what came of it; `kind` begins with `not-` where it is negated."""

    kind: str
    passed: bool | None
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Check:
    """An expectation: `expected` says it to a person, `look` compares an answer with it.

    `raw` is the value as it stands in the suite. `bounds` says that more text could break what
    holds so far, so that an answer which was cut proves nothing.
    """

    kind: str
    expected: str
    look: Callable[[Said], Observation]
    raw: Any = None
    negated: bool = False
    bounds: bool = False

    @property
    def name(self) -> str:
        """The kind, with `not-` where it is negated."""
        return f"not-{self.kind}" if self.negated else self.kind

    @property
    def key(self) -> str:
        """What `Said.outside` calls it."""
        return f"{self.kind}:{json.dumps(self.raw, sort_keys=True, ensure_ascii=False)}"

    def result(self, said: Said) -> CheckResult:
        """Whether the answer is as expected, and what came."""
        found = self.look(said)
        passed = found.passed
        if passed is not None and self.negated:
            passed = not passed
        expected = f"not: {self.expected}" if self.negated else self.expected
        return CheckResult(self.name, passed, expected, shown(found.got))


Parse = Callable[[Any], Check]
"""From the value in a suite to the check. Raises InvalidInput."""


def shown(text: str) -> str:
    """A text as a reason shows it: on one line, its beginning and its end."""
    line = " ".join(text.split())
    if len(line) <= _LONGEST_SHOWN:
        return line
    half = _LONGEST_SHOWN // 2
    return f"{line[:half]} … {line[-half:]}"


def wrong(kind: str, takes: str, value: Any) -> InvalidInput:
    """The error of a value that a check does not take."""
    return InvalidInput(f'"{kind}" takes {takes}, not {shown(json.dumps(value))}')


def text_of(kind: str, value: Any) -> str:
    """A text that is not empty. Raises InvalidInput."""
    if isinstance(value, bool | dict | list) or value is None or not str(value):
        raise wrong(kind, "a text", value)
    return str(value)


def number_of(kind: str, value: Any) -> float:
    """A number. Raises InvalidInput."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(kind, "a number", value)
    return float(value)


def texts_of(kind: str, value: Any) -> tuple[str, ...]:
    """One text, or a list of them. Raises InvalidInput."""
    if isinstance(value, list) and value:
        return tuple(text_of(kind, each) for each in value)
    return (text_of(kind, value),)


def fields_of(kind: str, value: Any, main: str, others: tuple[str, ...]) -> dict[str, Any]:
    """A value that is an object with `main` and perhaps `others`, or `main` alone. Raises
    InvalidInput for an object without `main` or with something else."""
    if not isinstance(value, dict):
        return {main: value}
    unknown = [name for name in value if name not in (main, *others)]
    if unknown or main not in value:
        names = ", ".join((main, *others))
        raise InvalidInput(f'"{kind}" takes a value or an object of {names}')
    return value

"""The values that all checks share: the check, the answer that it looks at, the observation that it
makes. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.finite import is_finite
from localai.types import ToolCall, ZoneName

_LONGEST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Observation:
    """A check's observation of an answer. `passed` is None if the answer cannot be judged; `got`
    then says why."""

    passed: bool | None
    got: str


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """An answer as checks see it. Unknown values are None.

    `outside` has the observations that the answer alone does not give (a judge's verdict, a
    program's behaviour), by the `key` of the check.
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
    """A check and its observation. `kind` begins with `not-` if the check is negated."""

    kind: str
    passed: bool | None
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Check:
    """An expectation. `expected` is its description for a person; `look` compares an answer with
    it.

    `raw` is the value as it stands in the suite. `bounds` says that more text could break an
    expectation that holds so far, so that an answer that was cut proves nothing.
    """

    kind: str
    expected: str
    look: Callable[[CheckedAnswer], Observation]
    raw: Any = None
    negated: bool = False
    bounds: bool = False

    @property
    def name(self) -> str:
        """The kind, with `not-` before a negated one."""
        return f"not-{self.kind}" if self.negated else self.kind

    @property
    def key(self) -> str:
        """The key of the check's observation in `CheckedAnswer.outside`."""
        return f"{self.kind}:{json.dumps(self.raw, sort_keys=True, ensure_ascii=False)}"

    def result(self, answer: CheckedAnswer) -> CheckResult:
        """The check's observation of the answer."""
        found = self.look(answer)
        passed = found.passed
        if passed is not None and self.negated:
            passed = not passed
        expected = f"not: {self.expected}" if self.negated else self.expected
        return CheckResult(self.name, passed, expected, shown(found.got))


Parse = Callable[[Any], Check]
"""From the value in a suite to the check. Raises InvalidInput."""


def shown(text: str) -> str:
    """`text` as a reason shows it: on one line, with its beginning and its end."""
    line = " ".join(text.split())
    if len(line) <= _LONGEST_SHOWN:
        return line
    half = _LONGEST_SHOWN // 2
    return f"{line[:half]} … {line[-half:]}"


def wrong(kind: str, takes: str, value: Any) -> InvalidInput:
    """The error for a value that a check does not take."""
    return InvalidInput(f'"{kind}" takes {takes}, not {shown(json.dumps(value))}')


def text_of(kind: str, value: Any) -> str:
    """`value`, if it is a text and not empty. Raises InvalidInput."""
    if isinstance(value, bool | dict | list) or value is None or not str(value):
        raise wrong(kind, "a text", value)
    return str(value)


def number_of(kind: str, value: Any) -> float:
    """`value`, if it is a number. Raises InvalidInput."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not is_finite(value):
        raise wrong(kind, "a number", value)
    return float(value)


def texts_of(kind: str, value: Any) -> tuple[str, ...]:
    """The texts in `value`, which is one text or a list of them. Raises InvalidInput."""
    if isinstance(value, list) and value:
        return tuple(text_of(kind, each) for each in value)
    return (text_of(kind, value),)


def fields_of(kind: str, value: Any, main: str, others: tuple[str, ...]) -> dict[str, Any]:
    """The fields of `value`, which is an object with `main` and perhaps `others`, or the value of
    `main` alone. Raises InvalidInput for an object without `main` or with other fields."""
    if not isinstance(value, dict):
        return {main: value}
    unknown = [name for name in value if name not in (main, *others)]
    if unknown or main not in value:
        names = ", ".join((main, *others))
        raise InvalidInput(f'"{kind}" takes a value or an object of {names}')
    return value

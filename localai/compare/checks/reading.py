"""The `expect` of a case: from JSON or TOML to its checks. Pure.

"Paris"                                  contains it
{"contains": "Paris", "max_words": 20}   both
{"not_contains": "London"}               negated
[{"contains": "a"}, {"contains": "b"}]   several of a kind
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from localai.compare.checks import manner, outside, text, values
from localai.compare.checks.check import Check, Parse
from localai.errors import InvalidInput
from localai.near_names import did_you_mean

KINDS: Final[dict[str, Parse]] = {
    **text.CHECKS,
    **values.CHECKS,
    **manner.CHECKS,
    **outside.CHECKS,
}
_NEGATIONS: Final = ("not_", "not-")


def read_expectations(raw: Any) -> tuple[Check, ...]:
    """The checks of the value `expect`; none for null. Raises InvalidInput."""
    if raw is None:
        return ()
    if isinstance(raw, list):
        return tuple(check for each in raw for check in read_expectations(each))
    if isinstance(raw, dict):
        return tuple(_check(name, value) for name, value in raw.items())
    return (_check("contains", raw),)


def _check(name: str, value: Any) -> Check:
    kind, negated = name, False
    for negation in _NEGATIONS:
        if name.startswith(negation):
            kind, negated = name.removeprefix(negation), True
    kind = kind.replace("-", "_")
    if kind not in KINDS:
        raise InvalidInput(
            f"there is no expectation {name!r}",
            hint=did_you_mean(kind, KINDS) or f"known are {', '.join(KINDS)}",
        )
    return replace(KINDS[kind](value), negated=negated)

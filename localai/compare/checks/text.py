"""Checks of an answer's words: equals, contains, starts, any, all, regex, max_words, similar. Pure.

Spaces around a text never count. A value may have `ignore_case` beside it: `{"contains": {"value":
"paris", "ignore_case": true}}`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any, Final

from localai.compare.checks.check import (
    Check,
    CheckedAnswer,
    Observation,
    Parse,
    fields_of,
    number_of,
    text_of,
    texts_of,
    wrong,
)
from localai.errors import InvalidInput
from localai.signals import limited
from localai.units import counted

_REGEX_SECONDS = 1.0

_Test = Callable[[str, tuple[str, ...]], bool]


def _worded(kind: str, says: str, test: _Test) -> Parse:
    """A check that compares the answer's text with one or several wanted texts, with or without
    case."""

    def parse(value: Any) -> Check:
        fields = fields_of(kind, value, "value", ("ignore_case",))
        wanted = tuple(each.strip() for each in texts_of(kind, fields["value"]))
        fold = bool(fields.get("ignore_case"))
        compared = tuple(each.casefold() for each in wanted) if fold else wanted

        def look(answer: CheckedAnswer) -> Observation:
            text = answer.text.strip()
            return Observation(test(text.casefold() if fold else text, compared), text)

        quoted = " or ".join(map(repr, wanted)) if kind != "all" else ", ".join(map(repr, wanted))
        return Check(kind, f"{says} {quoted}", look, value, bounds=kind == "equals")

    return parse


def _regex(value: Any) -> Check:
    pattern = text_of("regex", value)
    try:
        with warnings.catch_warnings():
            # `[[` may mean something else in a later Python, which no user could mend.
            warnings.simplefilter("ignore", FutureWarning)
            compiled = re.compile(pattern, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidInput(f'"regex" is no pattern: {error}') from error

    def look(answer: CheckedAnswer) -> Observation:
        try:
            with limited(_REGEX_SECONDS):
                return Observation(compiled.search(answer.text) is not None, answer.text)
        except TimeoutError:
            return Observation(None, f"the pattern took more than {_REGEX_SECONDS:g} s")

    return Check("regex", f"a match of {pattern!r}", look, value)


def _max_words(value: Any) -> Check:
    most = number_of("max_words", value)

    def look(answer: CheckedAnswer) -> Observation:
        count = len(answer.text.split())
        return Observation(count <= most, counted(count, "word"))

    return Check("max_words", f"at most {most:g} words", look, value, bounds=True)


def _similar(value: Any) -> Check:
    fields = fields_of("similar", value, "to", ("at_least",))
    wanted = text_of("similar", fields["to"])
    least = number_of("similar", fields.get("at_least", 0.8))
    if not 0 < least <= 1:
        raise wrong("similar", "an at_least from 0 to 1", least)

    def look(answer: CheckedAnswer) -> Observation:
        from localai.compare.texts import similarity

        found = similarity(wanted.strip(), answer.text.strip())
        return Observation(found >= least, f"{found:.2f}: {answer.text}")

    return Check("similar", f"{least:g} of the words of {wanted!r}", look, value, bounds=True)


CHECKS: Final[dict[str, Parse]] = {
    "equals": _worded("equals", "exactly", lambda text, wanted: text in wanted),
    "contains": _worded(
        "contains", "contains", lambda text, wanted: any(e in text for e in wanted)
    ),
    "starts": _worded("starts", "starts with", lambda text, wanted: text.startswith(wanted)),
    "any": _worded("any", "contains any of", lambda text, wanted: any(e in text for e in wanted)),
    "all": _worded("all", "contains all of", lambda text, wanted: all(e in text for e in wanted)),
    "regex": _regex,
    "max_words": _max_words,
    "similar": _similar,
}

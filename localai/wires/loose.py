"""Lenient readers for the texts, numbers and objects that servers send. Pure.

Servers break the types of their formats: counts come as texts, texts as lists of parts, one half of
a surrogate pair in one chunk and the other in the next. A value that has a meaning is read; a value
that has none is unknown. Nothing here raises.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from localai.events import TokenLogprobs
from localai.finite import is_finite

_LARGEST_COUNT = 1 << 53


def number_of(value: Any) -> float | None:
    """The number in `value`, which may be a text; None if there is none, or it is negative."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def count_of(value: Any) -> int | None:
    """The whole number in `value`; None if there is none, or it is negative."""
    number = number_of(value)
    if number is None or number != int(number) or number > _LARGEST_COUNT:
        return None
    return int(number)


def object_of(value: Any) -> Mapping[str, Any]:
    """`value` if it is an object; an empty object for any other value."""
    return value if isinstance(value, dict) else {}


def objects_of(value: Any) -> list[Mapping[str, Any]]:
    """The objects in the list `value`. A single object counts as a list of one; any other value as
    an empty list."""
    if isinstance(value, dict):
        return [value]
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text_of(value: Any) -> str:
    """A text, or the texts of a list of parts; empty for any other value."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(text_of(each) for each in value)
    if isinstance(value, dict):
        return text_of(value.get("text") or value.get("content") or value.get("summary"))
    return ""


def arguments_text(value: Any) -> str:
    """The arguments of a call as JSON text; some servers send the object itself."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def logprobs_of(tokens: Any) -> Iterator[TokenLogprobs]:
    """The log probabilities of `tokens`; tokens without one are left out."""
    for token in objects_of(tokens):
        if (likelihood := _odds(token)) is not None:
            others = (_odds(each) for each in objects_of(token.get("top_logprobs")))
            yield TokenLogprobs(*likelihood, tuple(each for each in others if each is not None))


def _odds(token: Mapping[str, Any]) -> tuple[str, float] | None:
    logprob = token.get("logprob")
    if isinstance(logprob, bool) or not isinstance(logprob, int | float):
        return None
    return (text_of(token.get("token")), logprob) if is_finite(logprob) else None


class Halves:
    r"""Joins the halves of surrogate pairs that came in two pieces, such as two `\u` escapes of
    JSON.

    A half that stays alone is left as it is; an event turns it into U+FFFD.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """`text` after the half that the last piece ended with. A half at the end of `text` is held
        back for the next piece."""
        text, self._held = self._held + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        return text

    def close(self) -> str:
        """The half that is still held back; empty if there is none."""
        held, self._held = self._held, ""
        return held

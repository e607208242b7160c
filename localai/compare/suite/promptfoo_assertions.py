"""promptfoo's assertions as expectations of ours, or the reasons why they are left out. Pure.

An assertion is translated only if its meaning stays the same. promptfoo's `similar` compares
embeddings and our `similar` compares words, so it is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from localai.finite import is_finite

_Translation = Callable[[Mapping[str, Any]], dict[str, Any] | None]


def _value(kind: str) -> _Translation:
    return lambda raw: {kind: raw["value"]} if raw.get("value") is not None else None


def _folded(kind: str) -> _Translation:
    def translate(raw: Mapping[str, Any]) -> dict[str, Any] | None:
        value = raw.get("value")
        return None if value is None else {kind: {"value": value, "ignore_case": True}}

    return translate


def _several(kind: str, *, fold: bool = False) -> _Translation:
    """The texts of a list, or of a text with commas."""

    def translate(raw: Mapping[str, Any]) -> dict[str, Any] | None:
        value = raw.get("value")
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        if not isinstance(value, list):
            return None
        return {kind: {"value": value, "ignore_case": True} if fold else value}

    return translate


def _json(raw: Mapping[str, Any]) -> dict[str, Any]:
    schema = raw.get("value")
    return {"schema": schema} if isinstance(schema, dict) else {"json": True}


def _threshold(kind: str, scale: float = 1.0) -> _Translation:
    def translate(raw: Mapping[str, Any]) -> dict[str, Any] | None:
        bound = raw.get("threshold")
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not is_finite(bound):
            return None
        return {kind: bound * scale}

    return translate


def _words(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    value = raw.get("value")
    if isinstance(value, dict) and set(value) == {"max"}:
        return {"max_words": value["max"]}
    return None


_TAKEN: Final[dict[str, _Translation]] = {
    "equals": _value("equals"),
    "contains": _value("contains"),
    "icontains": _folded("contains"),
    "contains-any": _several("any"),
    "icontains-any": _several("any", fold=True),
    "contains-all": _several("all"),
    "icontains-all": _several("all", fold=True),
    "starts-with": _value("starts"),
    "regex": _value("regex"),
    "is-json": _json,
    "contains-json": _json,
    "cost": _threshold("max_cost"),
    "latency": _threshold("max_seconds", 0.001),
    "is-refusal": lambda raw: {"refusal": True},
    "finish-reason": _value("finish"),
    "word-count": _words,
    "llm-rubric": _value("judge"),
    "model-graded-closedqa": _value("judge"),
}
_CODE: Final = ("javascript", "python", "ruby", "webhook")


def expectation_of(raw: Mapping[str, Any]) -> dict[str, Any] | str:
    """The assertion as an `expect` of ours, or in a few words the reason why it is left out."""
    kind = str(raw["type"])
    negated = kind.startswith("not-")
    plain = kind.removeprefix("not-")
    if plain in _CODE or str(raw.get("value", "")).startswith(("file://", "package:")):
        return f"an assertion that is code ({kind})"
    translate = _TAKEN.get(plain)
    found = None if translate is None else translate(raw)
    if found is None:
        return f"the assertion {kind}"
    if "judge" in found:
        found = {"judge": f"Is this true of the answer? {found['judge']}"}
    return {f"not_{name}": value for name, value in found.items()} if negated else found

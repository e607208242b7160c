"""A schema as the clouds take it."""

from __future__ import annotations

from typing import Any

import pytest

from localai.errors import InvalidInput
from localai.wires.schemas.clouds import for_anthropic, for_openai

INT = {"type": "integer"}
CLOSED = {
    "type": "object",
    "properties": {"a": INT},
    "required": ["a"],
    "additionalProperties": False,
}
OPEN = {name: value for name, value in CLOSED.items() if name != "additionalProperties"}


def within(schema: Any) -> dict[str, Any]:
    """An object with it as its one property."""
    return {**CLOSED, "properties": {"a": schema}}


def test_openai_holds_strictly_what_its_api_knows() -> None:
    assert (for_openai(CLOSED).document, for_openai(CLOSED).strict) == (CLOSED, True)
    assert (for_openai(OPEN).document, for_openai(OPEN).strict) == (CLOSED, True)
    assert for_openai(within({"type": "array", "items": OPEN})).strict
    bounds = {**INT, "minimum": 1, "multipleOf": 5}
    assert for_openai(within({"anyOf": [bounds, {"type": "null"}]})).strict


@pytest.mark.parametrize(
    ("schema", "unheld"),
    [
        ({**CLOSED, "required": []}, "$: a (a property that may be left out)"),
        ({**CLOSED, "additionalProperties": True}, "$: additionalProperties"),
        (within({"oneOf": [INT]}), "$.a: oneOf"),
        (within({"allOf": [INT]}), "$.a: allOf"),
        (within({"items": {"not": INT}}), "$.a[]: not"),
        ({"type": "object"}, "$: an object without properties"),
    ],
)
def test_what_openai_does_not_hold_strictly_is_listed(schema: Any, unheld: str) -> None:
    sent = for_openai(schema)
    assert (sent.document, sent.strict) == (schema, False)
    assert unheld in sent.unheld


@pytest.mark.parametrize("schema", [INT, {"type": ["object", "null"]}, {"anyOf": [CLOSED]}])
def test_openai_answers_in_objects_only(schema: Any) -> None:
    with pytest.raises(InvalidInput, match="objects only"):
        for_openai(schema)


def test_anthropic_gets_no_bounds() -> None:
    assert for_anthropic(OPEN).document == CLOSED
    schema = within({**INT, "minimum": 1, "maximum": 9})
    sent = for_anthropic(schema)
    assert sent.document == CLOSED
    assert sent.unheld == ("$.a: maximum", "$.a: minimum")
    assert schema["properties"]["a"]["minimum"] == 1
    many = for_anthropic(within({"type": "array", "items": INT, "minItems": 3, "maxItems": 4}))
    assert many.document == within({"type": "array", "items": INT, "minItems": 1})
    assert many.unheld == ("$.a: maxItems", "$.a: minItems")
    one = for_anthropic(within({"oneOf": [INT, {"type": "null"}]}))
    assert one.document == within({"anyOf": [INT, {"type": "null"}]})
    assert one.unheld == ("$.a: oneOf (that exactly one alternative fits)",)


@pytest.mark.parametrize(
    "schema",
    [
        within({"$ref": "#"}),
        {"$ref": "#/$defs/n", "$defs": {"n": within({"$ref": "#/$defs/n"})}},
        {
            **within({"$ref": "#/$defs/m"}),
            "$defs": {"m": within({"$ref": "#/$defs/n"}), "n": within({"$ref": "#/$defs/m"})},
        },
    ],
)
def test_anthropic_takes_nothing_that_contains_itself(schema: Any) -> None:
    with pytest.raises(InvalidInput, match="contains itself"):
        for_anthropic(schema)


def test_a_definition_that_is_used_twice_does_not_contain_itself() -> None:
    schema = {**within({"$ref": "#/$defs/n"}), "$defs": {"n": INT, "m": {"$ref": "#/$defs/n"}}}
    assert for_anthropic(schema).unheld == ()

"""What llama.cpp's grammar holds of a schema, and what is said of the rest."""

from __future__ import annotations

import random
from typing import Any

import jsonschema
import pytest

from localai.errors import InvalidInput
from localai.wires.schemas.grammar import held_by_grammar
from tests.support.instances import Endless, instance

D4 = "http://json-schema.org/draft-04/schema#"
D7 = "http://json-schema.org/draft-07/schema#"
D19 = "https://json-schema.org/draft/2019-09/schema"
INT, STR = {"type": "integer"}, {"type": "string"}
ONE, TWO = {"properties": {"a": INT}, "required": ["a"]}, {"properties": {"b": STR}}
ANY = [{"type": t} for t in ("object", "array", "string", "number", "boolean", "null")]
EMPTY = {"type": "array", "items": {"type": "null"}, "maxItems": 0}


def an_object(required: tuple[str, ...] = (), rest: Any = False, **properties: Any) -> Any:
    """An object as the grammar gets it."""
    wanted = {"required": list(required)} if required else {}
    made = {"type": "object", "properties": properties, **wanted, "additionalProperties": rest}
    return dict(made)


# Name: the schema, what the grammar gets, what it cannot hold.
FORMS: dict[str, tuple[Any, Any, list[str]]] = {
    "plain": (INT, INT, []),
    "annotated": ({**INT, "title": "t", "description": "d", "default": 1, "x-mine": 1}, INT, []),
    "true": ({"properties": {"a": True}}, an_object(a={"anyOf": ANY}), []),
    "false": ({"properties": {"a": False, "b": INT}}, an_object(b=INT), []),
    "required elsewhere": ({"required": ["a"]}, an_object(("a",), a={"anyOf": ANY}), []),
    "types": ({"type": ["string", "null"]}, {"anyOf": [STR, {"type": "null"}]}, []),
    "integer and number": ({"type": ["integer", "number"]}, {"type": "number"}, []),
    "const": ({"const": 'a"b'}, {"enum": ['a"b']}, []),
    "enum with a type": ({"enum": [1, "a", None], "type": "string"}, {"enum": ["a"]}, []),
    "enum with a bound": ({"enum": [1, 5, 9], "minimum": 4}, {"enum": [5, 9]}, []),
    "digits": ({"pattern": r"^\d$"}, {**STR, "pattern": "^([0-9])$"}, []),
    "two patterns": (
        {"allOf": [{**STR, "pattern": "^a$"}, {"pattern": "^b$"}]},
        {**STR, "pattern": "^(a)$"},
        ["$: pattern ^b$ (a second pattern)"],
    ),
    "a pattern and its length": (
        {**STR, "pattern": r"^\d{3}$", "minLength": 2, "maxLength": 3},
        {**STR, "pattern": "^([0-9]{3})$"},
        [],
    ),
    "a pattern and another length": (
        {**STR, "pattern": r"^\d+$", "maxLength": 3},
        {**STR, "pattern": "^([0-9]+)$"},
        ["$: maxLength"],
    ),
    "a pattern that looks ahead": (
        {"properties": {"a": {**STR, "pattern": "^(?=a)"}}},
        an_object(a=STR),
        ["$.a: pattern ^(?=a) (a group that looks ahead, looks behind or sets flags)"],
    ),
    "a very long text": ({**STR, "maxLength": 50_000}, STR, ["$: maxLength"]),
    "no text": ({**STR, "maxLength": 0}, {"enum": [""]}, []),
    "bounds": (
        {**INT, "minimum": 3, "exclusiveMaximum": 10},
        {**INT, "minimum": 3, "maximum": 9},
        [],
    ),
    "both bounds": (
        {**INT, "minimum": 3, "exclusiveMinimum": 5},
        {**INT, "minimum": 6},
        [],
    ),
    "broken bounds": (
        {**INT, "minimum": 2.5, "maximum": 4.5},
        {**INT, "minimum": 3, "maximum": 4},
        [],
    ),
    "bounds of draft 4": (
        {"$schema": D4, **INT, "minimum": 3, "exclusiveMinimum": True, "maximum": 9},
        {**INT, "minimum": 4, "maximum": 9},
        [],
    ),
    "a bound of a number": (
        {"type": "number", "minimum": 0},
        {"type": "number"},
        ["$: minimum (of a number that may be a fraction)"],
    ),
    "a whole number": (
        {"type": "number", "multipleOf": 1, "minimum": 0},
        {**INT, "minimum": 0},
        [],
    ),
    "multipleOf": ({**INT, "multipleOf": 5}, INT, ["$: multipleOf"]),
    "a list": (
        {"type": "array", "items": INT, "minItems": 1, "maxItems": 3},
        {"type": "array", "items": INT, "minItems": 1, "maxItems": 3},
        [],
    ),
    "a tuple": (
        {"type": "array", "prefixItems": [INT, STR], "minItems": 1},
        {"anyOf": [{"type": "array", "prefixItems": p} for p in ([INT, STR], [INT])]},
        [],
    ),
    "a tuple of draft 7": (
        {"$schema": D7, "items": [INT, STR], "additionalItems": False, "minItems": 2},
        {"type": "array", "prefixItems": [INT, STR]},
        [],
    ),
    "a tuple of 2019": (
        {"$schema": D19, "items": [INT], "minItems": 1},
        {"type": "array", "prefixItems": [INT]},
        [],
    ),
    "a tuple that goes on": (
        {"prefixItems": [INT], "items": STR, "minItems": 3},
        {"type": "array", "prefixItems": [INT, STR, STR]},
        [],
    ),
    "a tuple that goes on too long": (
        {"prefixItems": [INT], "items": STR, "minItems": 1001},
        {"type": "array", "prefixItems": [INT]},
        ["$: minItems"],
    ),
    "items: false": ({"type": "array", "items": False}, EMPTY, []),
    "items: true": (
        {"type": "array", "items": True, "minItems": 1},
        {"type": "array", "items": {"anyOf": ANY}, "minItems": 1},
        [],
    ),
    "unique": (
        {"type": "array", "items": INT, "uniqueItems": True},
        {"type": "array", "items": INT},
        ["$: uniqueItems"],
    ),
    "a list that must contain": (
        {"properties": {"l": {"items": INT, "contains": {"const": 3}}}},
        an_object(l={"type": "array", "items": INT}),
        ["$.l: contains"],
    ),
    "other properties": (
        {"properties": {"a": INT}, "additionalProperties": STR},
        an_object(rest=STR, a=INT),
        [],
    ),
    "other properties beside odd names": (
        {"properties": {"größe": INT}, "additionalProperties": STR},
        an_object(größe=INT),
        [],
    ),
    "a map": ({"additionalProperties": INT}, an_object(rest=INT), []),
    "pattern properties": (
        {"type": "object", "patternProperties": {"^x": INT}, "additionalProperties": False},
        an_object(rest=INT),
        ["$: patternProperties"],
    ),
    "names": (
        {**an_object(a=INT), "propertyNames": {"maxLength": 3}},
        an_object(a=INT),
        ["$: propertyNames"],
    ),
    "how many properties": (
        {**ONE, "minProperties": 2},
        an_object(("a",), a=INT),
        ["$: minProperties"],
    ),
    "dependencies": (
        {**ONE, "dependentRequired": {"a": ["b"]}},
        an_object(("a",), a=INT),
        ["$: dependentRequired"],
    ),
    "not": ({**INT, "not": {"const": 3}}, INT, ["$: not"]),
    "if": ({**INT, "if": {"minimum": 3}, "then": {"maximum": 9}}, INT, ["$: if, then, else"]),
    "allOf": ({"allOf": [ONE, TWO]}, an_object(("a",), a=INT, b=STR), []),
    "allOf that narrows": (
        {"allOf": [{"type": ["integer", "string"]}, {"type": ["number", "null"]}], "minimum": 1},
        {**INT, "minimum": 1},
        [],
    ),
    "allOf, closed": (
        {"allOf": [ONE, TWO], "unevaluatedProperties": False},
        an_object(("a",), a=INT, b=STR),
        [],
    ),
    "anyOf beside properties": (
        {**ONE, "anyOf": [{"required": ["b"]}, TWO]},
        {
            "anyOf": [
                an_object(("a", "b"), a=INT, b={"anyOf": ANY}),
                an_object(("a",), a=INT, b=STR),
            ]
        },
        [],
    ),
    "a value beside another type": (
        {"allOf": [STR, {"enum": [1, "a"]}], "$defs": {"r": {"$ref": "#"}}},
        {"enum": ["a"]},
        [],
    ),
    "values beside references": (
        {"enum": [{"a": 1}], "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": INT}},
        {"enum": [{"a": 1}]},
        ["$: the keywords beside enum"],
    ),
    "oneOf, told apart": (
        {"oneOf": [{"const": 1}, {"const": 2}]},
        {"anyOf": [{"enum": [1]}, {"enum": [2]}]},
        [],
    ),
    "oneOf, told apart by a property": (
        {
            "oneOf": [
                {"properties": {"k": {"const": each}}, "required": ["k"]} for each in ("a", "b")
            ]
        },
        {"anyOf": [an_object(("k",), k={"enum": [each]}) for each in ("a", "b")]},
        [],
    ),
    "oneOf, not told apart": (
        {"oneOf": [INT, {"type": "number"}]},
        {"anyOf": [INT, {"type": "number"}]},
        ["$: oneOf (that exactly one alternative fits)"],
    ),
    "itself": (
        {"type": "object", "properties": {"n": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}},
        {
            "$ref": "#/$defs/r0",
            "$defs": {"r0": an_object(n={"anyOf": [{"$ref": "#/$defs/r0"}, {"type": "null"}]})},
        },
        [],
    ),
    "an email": (
        {**STR, "format": "email"},
        {
            **STR,
            "pattern": r"^([\x25\x2B\x2D-\x2E0-9A-Z\x5Fa-z]+@[\x2D0-9A-Za-z]+"
            r"([\x2E][\x2D0-9A-Za-z]+)+)$",
        },
        [],
    ),
    "a date": ({**STR, "format": "date"}, {**STR, "format": "date"}, []),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_and_what_the_grammar_gets(name: str) -> None:
    schema, expected, unheld = FORMS[name]
    held = held_by_grammar(schema)
    assert held.document == expected
    assert list(held.unheld) == unheld
    if not unheld:
        _require_that_all_is_right(schema, held.document)


# How a reference names an integer, beside where it stands.
REFERENCES: dict[str, tuple[str, Any]] = {
    "a definition": ("#/$defs/a", {"$defs": {"a": INT}}),
    "an old definition": ("#/definitions/a", {"definitions": {"a": INT}}),
    "a slash": ("#/$defs/a~1b", {"$defs": {"a/b": INT}}),
    "a tilde": ("#/$defs/a~0b", {"$defs": {"a~b": INT}}),
    "a space": ("#/$defs/a%20b", {"$defs": {"a b": INT}}),
    "a percent sign": ("#/$defs/a%25b", {"$defs": {"a%b": INT}}),
    "a letter of its own": ("#/$defs/gr%C3%B6%C3%9Fe", {"$defs": {"größe": INT}}),
    "a list": ("#/$defs/l/anyOf/1", {"$defs": {"l": {"anyOf": [STR, INT]}}}),
    "a property": ("#/properties/b", {"properties": {"b": INT}}),
    "an anchor": ("#here", {"$defs": {"a": {"$anchor": "here", **INT}}}),
    "an anchor of draft 7": (
        "#here",
        {"$schema": D7, "definitions": {"a": {"$id": "#here", **INT}}},
    ),
    "an anchor of draft 4": (
        "#here",
        {"$schema": D4, "definitions": {"a": {"id": "#here", **INT}}},
    ),
    "an id": ("https://e.org/n", {"$defs": {"a": {"$id": "https://e.org/n", **INT}}}),
    "an id below one": ("n", {"$id": "https://e.org/s/all", "$defs": {"a": {"$id": "n", **INT}}}),
    "its own id": ("https://e.org/s#/$defs/a", {"$id": "https://e.org/s", "$defs": {"a": INT}}),
    "one after the other": ("#/$defs/b", {"$defs": {"a": INT, "b": {"$ref": "#/$defs/a"}}}),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_is_found_as_the_check_finds_it(name: str) -> None:
    reference, beside = REFERENCES[name]
    schema = {**beside, "type": "object", "required": ["v"]}
    schema["properties"] = {**beside.get("properties", {}), "v": {"$ref": reference}}
    held = held_by_grammar(schema)
    assert held.unheld == ()
    for seed in range(5):
        assert isinstance(instance(held.document, random.Random(seed))["v"], int)
    _require_that_all_is_right(schema, held.document)


def test_what_stands_beside_a_reference_counts_since_2019() -> None:
    schema = {"$ref": "#/$defs/a", "maximum": 3, "$defs": {"a": {**INT, "minimum": 3}}}
    assert held_by_grammar(schema).document == {**INT, "minimum": 3, "maximum": 3}
    old = {**schema, "$schema": D7}
    assert held_by_grammar(old).document["$defs"] == {"r1": {**INT, "minimum": 3}}


def test_schemas_that_extend_each_other_without_end_are_named_once() -> None:
    """A tree whose kinds of node extend a common one, which refers to itself."""
    base = {"properties": {"next": {"$ref": "#/$defs/base"}}, "type": "object"}
    more = {"$ref": "#/$defs/base", "properties": {"next": {"$ref": "#/$defs/more"}, "v": INT}}
    schema = {"$ref": "#/$defs/more", "$defs": {"base": base, "more": more}}
    held = held_by_grammar(schema)
    assert held.unheld == ()
    assert len(held.document["$defs"]) < 5
    _require_that_all_is_right(schema, held.document)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "enum": [1]},
        {"allOf": [INT, STR]},
        {"properties": {"a": False}, "required": ["a"]},
        {**INT, "minimum": 4, "maximum": 3},
        {"type": "array", "items": INT, "minItems": 3, "maxItems": 2},
    ],
)
def test_what_no_answer_can_satisfy_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="no answer can satisfy the schema"):
        held_by_grammar(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#"}, INT]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    ],
)
def test_one_that_is_itself_at_once_is_refused(schema: dict[str, Any]) -> None:
    """The check of an answer would never end, either."""
    with pytest.raises(InvalidInput, match="refers to itself"):
        held_by_grammar(schema)


@pytest.mark.parametrize("reference", ["#/no", "#no", "other.json", "http://192.0.2.1/s", "#/a/0"])
def test_a_reference_to_what_is_not_in_it_is_refused(reference: str) -> None:
    with pytest.raises(InvalidInput, match="names a part that it does not have"):
        held_by_grammar({"properties": {"a": {"$ref": reference}}})


def test_one_that_multiplies_is_refused_soon() -> None:
    levels = {
        f"l{n}": {"allOf": [{"$ref": f"#/$defs/l{n + 1}"}, {"$ref": f"#/$defs/l{n + 1}", "x": 1}]}
        for n in range(40)
    }
    with pytest.raises(InvalidInput, match="too intricate"):
        held_by_grammar({"$ref": "#/$defs/l0", "minimum": 1, "$defs": {**levels, "l40": INT}})


def _require_that_all_is_right(schema: Any, document: dict[str, Any]) -> None:
    """Whatever the grammar can write satisfies the schema."""
    validator = jsonschema.validators.validator_for(schema)(schema)
    written = 0
    for seed in range(30):
        try:
            value = instance(document, random.Random(seed))
        except Endless:
            continue
        written += 1
        assert validator.is_valid(value), (value, document)
    assert written

"""A schema in each of the ways in which people write one, and what breaks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from localai.chat import schema_violations
from localai.chat.schema import from_command_line, from_document, from_short_form
from localai.errors import InvalidInput, NotFound
from localai.wires.schemas.grammar import held_by_grammar
from tests.support.clock import within

_D4 = "http://json-schema.org/draft-04/schema#"
_D7 = "http://json-schema.org/draft-07/schema#"
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def test_the_short_form() -> None:
    assert from_short_form("name:str, age:int") == PERSON
    assert from_short_form("name, age : int") == PERSON
    assert from_short_form("tags:[str], mood:good|bad, note?:float, ok:bool") == {
        "type": "object",
        "properties": {
            "tags": {"type": "array", "items": {"type": "string"}},
            "mood": {"type": "string", "enum": ["good", "bad"]},
            "note": {"type": "number"},
            "ok": {"type": "boolean"},
        },
        "required": ["tags", "mood", "ok"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize("text", ["name:strng", "a b c", "name:str,,", "", "n:[", "3:int"])
def test_what_is_no_short_form_shows_one(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        from_command_line(text)
    assert "name:str, age:int" in (caught.value.hint or "")


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "person.json"
    file.write_text(json.dumps(PERSON))
    assert from_command_line(str(file)).document == PERSON


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        ('{"type": "person"}', "no JSON schema"),
    ],
)
def test_a_file_that_is_no_schema(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "bad.json"
    file.write_text(content)
    with pytest.raises(InvalidInput, match=message):
        from_command_line(str(file))


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(NotFound):
        from_command_line("./none.json")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A pydantic model in the user's folder."""
    (tmp_path / "people_of_test.py").write_text(
        "from pydantic import BaseModel, Field\n"
        "class Person(BaseModel):\n    name: str\n    age: int = Field(ge=0)\n"
        "number = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    return "people_of_test:Person"


def test_a_pydantic_model_in_the_folder_where_one_stands(model: str) -> None:
    schema = from_command_line(model)
    assert schema.document["required"] == ["name", "age"]
    assert schema.violation('{"name": "Ada", "age": 36}') is None
    assert "$.age" in (schema.violation('{"name": "Ada", "age": -1}') or "")


def test_a_model_that_is_none_says_so(model: str) -> None:
    with pytest.raises(NotFound, match="no Nobody in people_of_test"):
        from_command_line("people_of_test:Nobody")
    with pytest.raises(NotFound, match="no module 'no_such'"):
        from_command_line("no_such.module:Person")
    with pytest.raises(InvalidInput, match="pydantic makes no schema"):
        from_command_line("localai.batch.concurrency:SharedContext")


@pytest.mark.parametrize(
    ("answer", "violation"),
    [
        ('{"name": "Ada", "age": 36}', None),
        ('{"name": "Ada", "age": "36"}', "$.age: '36' is not of type 'integer'"),
        ('{"name": "Ada"}', "$: 'age' is a required property"),
        ('```json\n{"name": "Ada", "age": 36}\n```', "it is not JSON"),
        ('{"name": "Ada", "age"', "it is not JSON"),
        ("", "it is not JSON"),
    ],
)
def test_a_violation_says_where_and_what(answer: str, violation: str | None) -> None:
    found = from_document(PERSON, "it").violation(answer)
    assert found is violation is None or (found is not None and str(violation) in found)


def test_a_reference_elsewhere_is_not_fetched() -> None:
    with pytest.raises(InvalidInput, match="names a part that it does not have"):
        from_document({"$ref": "http://192.0.2.1/schema.json"}, "it")


@pytest.mark.parametrize(
    "wrapped",
    [
        {"name": "person", "schema": PERSON},
        {"name": "person", "schema": PERSON, "strict": True},
        {"type": "json_schema", "schema": PERSON},
        {"type": "json_schema", "name": "person", "schema": PERSON, "strict": True},
        {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": PERSON}}},
        {"text": {"format": {"type": "json_schema", "name": "person", "schema": PERSON}}},
        {"output_config": {"format": {"type": "json_schema", "schema": PERSON}}},
    ],
)
def test_a_schema_as_clouds_wrap_it(wrapped: dict[str, object], tmp_path: Path) -> None:
    assert from_command_line(json.dumps(wrapped)).document == PERSON
    file = tmp_path / "wrapped.json"
    file.write_text(json.dumps(wrapped))
    assert from_command_line(str(file)).document == PERSON


def test_what_only_looks_wrapped_is_itself() -> None:
    itself = {"type": "object", "schema": PERSON, "name": "x"}
    assert from_document(itself, "it").document == itself


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"$schema": _D7, "items": [{"type": "integer"}]}, "[1]", '["a"]'),
        ({"$schema": _D4, "minimum": 3, "exclusiveMinimum": True}, "4", "3"),
        ({"$schema": "https://example.org/mine", "prefixItems": [{"const": 1}]}, "[1]", "[2]"),
        ({"pattern": r"^\d$"}, '"1"', '"a"'),
    ],
)
def test_a_schema_is_checked_by_its_draft(schema: dict[str, object], good: str, bad: str) -> None:
    read = from_document(schema, "it")
    assert read.violation(good) is None
    assert read.violation(bad) is not None


def test_a_tuple_of_an_older_draft_says_which_words_are_missing() -> None:
    with pytest.raises(InvalidInput, match="no JSON schema") as caught:
        from_document({"items": [{"type": "integer"}]}, "it")
    assert "draft-07" in (caught.value.hint or "")


def test_a_pattern_that_is_none_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"the pattern '\^\(a\$', which is none here"):
        from_document({"properties": {"a": {"pattern": "^(a$"}}}, "it")


@pytest.mark.parametrize("levels", [60, 5000, 100_000])
def test_a_schema_that_is_nested_too_deeply_is_refused(levels: int) -> None:
    text = '{"not":' * (2 * levels) + "{}" + "}" * (2 * levels)
    with pytest.raises(InvalidInput, match="nested too deeply"):
        from_command_line(text)


EVIL = {"type": "string", "pattern": "^(a+)+$"}
MANY_WAYS = "a" * 40 + "!"


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        (EVIL, json.dumps(MANY_WAYS)),
        ({"patternProperties": {"^(a+)+$": {"type": "integer"}}}, json.dumps({MANY_WAYS: 1})),
        ({"uniqueItems": True}, json.dumps([{"a": n} for n in range(9000)])),
    ],
)
def test_a_check_that_would_take_for_ever_is_ended(
    schema: dict[str, Any], answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_violations, "_LONGEST_CHECK_S", 0.5)
    found = from_document({"type": ["string", "object", "array"], **schema}, "it")
    assert "takes more than" in (found.violation(answer) or "")


def test_a_schema_that_would_take_for_ever_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localai.chat.schema._LONGEST_READING_S", 0.5)
    with pytest.raises(InvalidInput, match="too intricate"):
        from_document({**EVIL, "enum": [MANY_WAYS]}, "it")


@pytest.mark.clock
def test_thousands_of_values_and_alternatives_are_read_in_seconds() -> None:
    values = {"allOf": [{"enum": [{"k": n} for n in range(3000)]} for _ in range(4)]}
    kinds = [
        {"type": "object", "properties": {"k": {"const": f"k{n}"}}, "required": ["k"]}
        for n in range(2000)
    ]
    with within(10):
        from_document(values, "it")
        held = held_by_grammar({"oneOf": kinds})
    assert held.unheld == (), "it is seen that only one of them fits"

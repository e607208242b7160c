"""The expectations of a case: what passes, what does not, and what is said of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from localai.compare.checks.check import CheckedAnswer
from localai.compare.checks.reading import KINDS, read_expectations
from localai.compare.checks.values import chosen, last_number
from localai.errors import InvalidInput
from localai.types import ToolCall
from tests.support.clock import within


def result(expect: Any, text: str = "", **said: Any) -> bool | None:
    [check] = read_expectations(expect)
    return check.result(CheckedAnswer(text, **said)).passed


@pytest.mark.parametrize(
    ("expect", "passes", "fails"),
    [
        ({"equals": "Paris"}, " Paris\n", "Paris."),
        ({"contains": "Paris"}, "It is Paris.", "It is paris."),
        ({"contains": {"value": "paris", "ignore_case": True}}, "It is PARIS.", "London"),
        ("Paris", "It is Paris.", "London"),
        ({"starts": "Yes"}, "Yes, it is", "Well, yes"),
        ({"any": ["a1", "b2"]}, "x b2", "x"),
        ({"all": ["a1", "b2"]}, "b2 a1", "b2"),
        ({"regex": r"^\d{4}$"}, "in\n1999\n", "in 1999"),
        ({"number": 42}, "First 7, then 42.", "42, or rather 43"),
        ({"number": {"value": 3.14, "tolerance": 0.01}}, "about 3.1415", "3.2"),
        ({"number": 1234.5}, "1,234.5 in all", "no number"),
        ({"choice": "B"}, "The answer is (B).", "The answer is (C), not B"),
        ({"json": True}, '```json\n{"a": 1}\n```', "{a: 1}"),
        ({"json": {"equals": {"a": 1}}}, '{"a": 1}', '{"a": 1, "b": 2}'),
        ({"json": {"has": {"a": {"b": 1}}}}, '{"a": {"b": 1, "c": 2}}', '{"a": {"b": 2}}'),
        ({"schema": "name:str, age:int"}, '{"name": "Ada", "age": 36}', '{"name": "Ada"}'),
        ({"max_words": 2}, "two words", "these are three"),
        ({"similar": {"to": "the cat sat down", "at_least": 0.7}}, "the cat sat", "a dog"),
        ({"language": "de"}, "Das ist nicht die Antwort", "This is not the answer"),
        ({"language": "ja"}, "これは日本語です", "this is English"),
        ({"script": "cyrillic"}, "Привет", "hello"),
        ({"refusal": True}, "I'm sorry, but I can't help with that.", "Gladly: it is 4."),
        ({"not_contains": "London"}, "Paris", "London"),
        ({"not-refusal": True}, "It is 4", "I cannot help"),
    ],
)
def test_an_expectation_passes_and_fails(expect: Any, passes: str, fails: str) -> None:
    assert result(expect, passes) is True
    assert result(expect, fails) is False


@pytest.mark.parametrize(
    ("expect", "passes", "fails"),
    [
        ({"finish": "stop"}, {"finish_reason": "stop"}, {"finish_reason": "length"}),
        ({"max_seconds": 2}, {"total_s": 1.9}, {"total_s": 2.1}),
        ({"min_tokens_per_s": 20}, {"tokens_per_s": 20.0}, {"tokens_per_s": 19.0}),
        ({"max_cost": 0.01}, {"cost": 0.0}, {"cost": None}),
        ({"zone": "lan"}, {"zone": "device"}, {"zone": "cloud"}),
        ({"zone": "device"}, {"zone": "device"}, {"zone": None}),
        ({"refusal": True}, {"finish_reason": "refusal"}, {}),
        (
            {"tool_call": {"name": "weather", "arguments": {"city": ["Paris", "paris, FR"]}}},
            {"tool_calls": (ToolCall("1", "weather", '{"city": "PARIS", "days": 2}'),)},
            {"tool_calls": (ToolCall("1", "weather", '{"city": "Rome"}'),)},
        ),
        ({"tool_call": True}, {"tool_calls": (ToolCall("1", "x", ""),)}, {}),
        ({"not_tool_call": True}, {}, {"tool_calls": (ToolCall("1", "x", ""),)}),
    ],
)
def test_an_expectation_of_how_it_came(expect: Any, passes: Any, fails: Any) -> None:
    assert result(expect, "text", **passes) is True
    assert result(expect, "text", **fails) is False


def test_a_failure_says_what_was_expected_and_what_came() -> None:
    found = [check.result(CheckedAnswer("It is London.")) for check in read_expectations(
        [{"contains": "Paris"}, {"not_contains": "London"}]
    )]  # fmt: skip
    assert [(each.kind, each.expected, each.got) for each in found] == [
        ("contains", "contains 'Paris'", "It is London."),
        ("not-contains", "not: contains 'London'", "It is London."),
    ]


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ({"json": {"equals": {"a": 1}}}, 'exactly the JSON {"a": 1}'),
        ({"json": {"has": {"a": 1}}}, 'JSON that has {"a": 1}'),
        ({"json": True}, "JSON"),
        ({"choice": "b"}, "the choice B"),
        ({"number": {"value": 3, "tolerance": 0.5}}, "the number 3 ± 0.5 at the end"),
        ({"number": 3}, "the number 3 at the end"),
    ],
)
def test_an_expectation_is_said_in_words(expect: Any, said: str) -> None:
    [check] = read_expectations(expect)
    assert check.expected == said


@pytest.mark.clock
def test_a_pattern_that_would_search_for_ever_is_stopped_and_no_failure() -> None:
    with within(5):
        assert result({"regex": r"^(a+)+$"}, "a" * 40 + "b") is None


def test_what_a_check_does_not_take_is_said() -> None:
    for wrong in (
        {"contians": "x"},
        {"regex": "("},
        {"number": "four"},
        {"choice": "Z"},
        {"json": 3},
        {"zone": "moon"},
        {"schema": {"type": "nonsense"}},
        {"language": "klingon"},
        {"contains": {"value": "x", "colour": 1}},
        {"max_words": True},
    ):
        with pytest.raises(InvalidInput):
            read_expectations(wrong)
    with pytest.raises(InvalidInput) as raised:
        read_expectations({"contians": "x"})
    assert raised.value.hint is not None
    assert "contains" in raised.value.hint


def test_every_kind_can_be_negated() -> None:
    for kind in KINDS:
        value: Any = dict.fromkeys(("json", "tool_call", "refusal", "runs"), True).get(kind, "stop")
        numbers = ("number", "max_words", "max_seconds", "min_tokens_per_s", "max_cost")
        others = {"choice": "A", "language": "en", "script": "latin", "zone": "lan"}
        value = 1 if kind in numbers else others.get(kind, value)
        [check] = read_expectations({f"not_{kind}": value})
        assert check.name == f"not-{kind}"


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("(b)", None),
        ("**C**", "C"),
        ("A. The cat", "A"),
        ("I think the answer is D.", "D"),
        ("Answer: A. No wait, answer: B", "B"),
        ("A or B", None),
        ("It must be C because it is round", "C"),
        ("", None),
    ],
)
def test_the_letter_that_was_chosen(text: str, letter: str | None) -> None:
    assert chosen(text) == letter


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("#### 18", 18),
        ("He has $1,250.50 left.", 1250.5),
        ("-3 degrees", -3),
        ("3 apples and 4", 4),
        ("model-v2 costs 5.", 5),
        ("none", None),
    ],
)
def test_the_number_at_the_end(text: str, number: float | None) -> None:
    assert last_number(text) == number


@pytest.mark.parametrize("page", ["localai/compare/suite/new.py", "docs/guides/compare.md"])
def test_every_kind_is_told_in_the_commented_suite_and_the_guide(page: str) -> None:
    text = (Path(__file__).parents[2] / page).read_text()
    assert [kind for kind in KINDS if not re.search(rf"\b{kind}\b", text)] == []

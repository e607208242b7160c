"""Suites of other tools: what of them is asked and expected, and what is said not to be taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from localai.compare.suite.case import Suite
from localai.compare.suite.reading import read_suite
from localai.compare.suite.yaml_core import load_yaml
from localai.errors import InvalidInput

# From promptfoo's "Getting started" (riddles shortened to three).
RIDDLES = """\
# yaml-language-server: $schema=https://promptfoo.dev/config-schema.json
description: Comparing OpenAI flagship and mini models performance on riddles

prompts:
  - 'Solve this riddle: {{riddle}}'

providers:
  - openai:chat:gpt-5.4
  - openai:chat:gpt-5.4-mini

defaultTest:
  assert:
    # Inference should always cost less than this (USD)
    - type: cost
      threshold: 0.002
    # Inference should always be faster than this (milliseconds)
    - type: latency
      threshold: 3000

tests:
  - vars:
      riddle: 'I speak without a mouth and hear without ears. What am I?'
    assert:
      # Make sure the LLM output contains this word
      - type: contains
        value: echo
      # Use model-graded assertions to enforce free-form instructions
      - type: llm-rubric
        value: Do not apologize
  - vars:
      riddle: 'The more of this there is, the less you see. What is it?'
    assert:
      - type: contains
        value: darkness
  - vars:
      riddle: >-
        I have keys but no locks. I have space but no room. You can enter, but
        can't go outside.
"""


def suite_of(folder: Path, text: str, name: str = "promptfooconfig.yaml") -> Suite:
    file = folder / name
    file.write_text(text)
    return read_suite(file)


def expected(suite: Suite) -> list[list[tuple[str, Any]]]:
    return [[(check.name, check.raw) for check in case.checks] for case in suite.cases]


def test_promptfoo_s_example_from_its_documentation(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, RIDDLES)
    assert suite.name == "Comparing OpenAI flagship and mini models performance on riddles"
    asked = [case.messages[0].text.removeprefix("Solve this riddle: ") for case in suite.cases]
    assert asked == [
        "I speak without a mouth and hear without ears. What am I?",
        "The more of this there is, the less you see. What is it?",
        "I have keys but no locks. I have space but no room. You can enter, but can't go outside.",
    ]
    both = [("max_cost", 0.002), ("max_seconds", 3.0)]
    assert expected(suite) == [
        [
            *both,
            ("contains", "echo"),
            ("judge", "Is this true of the answer? Do not apologize"),
        ],
        [*both, ("contains", "darkness")],
        both,
    ]
    assert suite.not_taken == ("providers: the models are those of -m",)


def test_prompts_times_tests_times_lists_of_values(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path,
        """
prompts: ['Say {{word}}', 'Sing {{ word }}']
tests:
  - vars: {word: [a, b]}
    assert:
      - type: icontains
        value: '{{word}}'
      - type: not-regex
        value: '^x'
""",
    )
    assert [(case.id, case.messages[0].text) for case in suite.cases] == [
        ("test 1, prompt 1.1", "Say a"),
        ("test 1, prompt 1.2", "Say b"),
        ("test 1, prompt 2.1", "Sing a"),
        ("test 1, prompt 2.2", "Sing b"),
    ]
    assert expected(suite)[1] == [
        ("contains", {"value": "b", "ignore_case": True}),
        ("not-regex", "^x"),
    ]


def test_nothing_of_it_is_run_and_what_is_left_out_is_listed(tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('it was run')")
    suite = suite_of(
        tmp_path,
        """
prompts:
  - 'Hello {{name}}'
  - 'Hello {{ name | upper }}'
  - 'Hello {{env.SECRET}}'
  - file://evil.py
  - file://evil.py:function
tests:
  - vars: {name: Ada}
    options: {transform: 'output.trim()'}
    assert:
      - {type: javascript, value: 'output.length'}
      - {type: python, value: file://evil.py}
      - {type: contains, value: file://secret.txt}
      - {type: similar, value: x, threshold: 0.8}
      - {type: equals, value: hi}
  - vars: {name: file://evil.py}
evaluateOptions: {cache: true}
""",
    )
    assert [case.messages[0].text for case in suite.cases] == ["Hello Ada"]
    assert expected(suite) == [[("equals", "hi")]]
    assert set(suite.not_taken) == {
        "evaluateOptions",
        "prompts of evil.py",
        "prompts of evil.py:function",
        "options of a test",
        "an assertion that is code (javascript)",
        "an assertion that is code (python)",
        "an assertion that is code (contains)",
        "the assertion similar",
        "a prompt with more of a template than {{variables}} (4 times)",
        "a variable out of a file",
    }


def test_files_are_read_beside_it_and_nowhere_else(tmp_path: Path) -> None:
    folder = tmp_path / "suite"
    folder.mkdir()
    (folder / "prompts.txt").write_text("One {{x}}\n---\nTwo {{x}}\n")
    suite = suite_of(folder, "prompts: [file://prompts.txt]\ntests: [{vars: {x: 1}}]")
    assert [case.messages[0].text for case in suite.cases] == ["One 1", "Two 1"]
    (tmp_path / "secret.txt").write_text("secret")
    for name in ("../secret.txt", str(tmp_path / "secret.txt")):
        with pytest.raises(InvalidInput, match="neither beside it nor below"):
            suite_of(folder, f"prompts: ['file://{name}']")


def test_references_within_the_file_are_followed(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path,
        """
prompts: [hello]
tests: [{assert: [{$ref: '#/assertionTemplates/noise'}]}]
assertionTemplates: {noise: {type: icontains, value: arrr}}
""",
    )
    assert expected(suite) == [[("contains", {"value": "arrr", "ignore_case": True})]]


def test_yaml_is_read_as_its_version_1_2() -> None:
    text = "{a: no, b: 12:30:45, c: 1_000, d: 0123, e: true, f: 1e3, g: ~, h: 2024-01-02, i: 0x1f}"
    assert load_yaml(text, "x") == {
        "a": "no",
        "b": "12:30:45",
        "c": "1_000",
        "d": 123,
        "e": True,
        "f": 1000.0,
        "g": None,
        "h": "2024-01-02",
        "i": 31,
    }


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['true']",
        "a: &a [*a]",
        "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)),
        "a: [",
    ],
)
def test_yaml_that_would_run_or_swell_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        load_yaml(text, "x")


def test_lines_of_openai_evals(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path,
        '{"input": [{"role": "system", "content": "Be brief."}, {"role": "user",'
        ' "content": "2+2"}], "ideal": "4"}\n'
        '{"input": "Capital of France?", "ideal": ["Paris", "paris"]}\n',
        "evals.jsonl",
    )
    assert [[each.text for each in case.messages] for case in suite.cases] == [
        ["Be brief.", "2+2"],
        ["Capital of France?"],
    ]
    assert expected(suite) == [[("any", ["4"])], [("any", ["Paris", "paris"])]]
    assert "registry" in suite.not_taken[0]


def test_lines_of_inspect(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path,
        '{"id": 7, "input": "Which is a fruit?", "choices": ["stone", "apple"], "target": "B",'
        ' "metadata": {"x": 1}}\n',
        "inspect.jsonl",
    )
    [case] = suite.cases
    assert case.id == "7"
    assert case.messages[0].text == (
        "Which is a fruit?\n\nA) stone\nB) apple\n\nAnswer with the letter alone."
    )
    assert expected(suite) == [[("choice", {"value": "B", "of": "AB"})]]
    assert suite.not_taken == ("metadata of its lines",)


@pytest.mark.parametrize("asked", ['"x"', "[]", '[{"role": "user", "content": "x"}]'])
@pytest.mark.parametrize("choices", ["5", "[1, 2]", "[]", '"ab"', '["a"]', "{}"])
def test_choices_that_are_none_are_told(tmp_path: Path, asked: str, choices: str) -> None:
    line = f'{{"input": {asked}, "choices": {choices}, "target": "B"}}\n'
    with pytest.raises(InvalidInput, match="2 to 26 texts"):
        suite_of(tmp_path, line, "inspect.jsonl")

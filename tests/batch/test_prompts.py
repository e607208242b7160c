"""What a line may say, and what is wrong with it otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from localai.batch.prompts import LineDefaults, Prompt, fingerprint, read_prompt
from localai.chat.request import AskSettings
from localai.chat.schema import from_document
from localai.chat.templates import parse_template
from localai.errors import InvalidInput
from localai.types import Message, Options, ResolvedModel, Zone

SCHEMA = from_document({"type": "object"}, "it")
MODEL = ResolvedModel("robot", "r2", Zone.DEVICE, "")


def _read(content: bytes, system: str | None = None, **defaults: Any) -> Prompt:
    return read_prompt(content, LineDefaults(AskSettings(system=system), **defaults))


def _fingerprint(content: bytes, model: ResolvedModel, **settings: Any) -> int:
    return fingerprint(content, LineDefaults(AskSettings(**settings)), model)


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_a_prompt_is_one_message_and_its_id_is_anything() -> None:
    prompt = _read(line(id={"row": 7}, prompt="hello", system="be brief"))
    assert prompt.id == {"row": 7}
    assert prompt.messages == (Message("user", "hello"),)
    assert prompt.settings.system == "be brief"


def test_messages_are_a_conversation() -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    prompt = _read(line(messages=[*turns, {"role": "user", "content": "c"}]))
    assert [message.text for message in prompt.messages] == ["a", "b", "c"]


def test_options_have_the_types_of_json() -> None:
    options = {"temperature": 0, "max_tokens": 9, "stop": ["x", "y"], "provider.mirostat": 2}
    assert _read(line(prompt="a", options=options)).settings.options == Options(
        temperature=0.0, max_tokens=9, stop=("x", "y"), extra={"mirostat": 2}
    )


def test_null_is_as_if_it_were_not_there() -> None:
    prompt = _read(line(prompt="a", messages=None, options=None, schema=None, id=None))
    assert prompt.messages == (Message("user", "a"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not json", "this is plain text"),
        (b'{"prompt": "a"', "not JSON"),
        (b"[1]", "not an object"),
        (b'{"prompt": "caf\xe9"}', "not UTF-8: byte 0xe9"),
        (line(), 'either "prompt" or "messages"'),
        (line(prompt="a", messages=[]), 'either "prompt" or "messages"'),
        (line(prompt=""), "not empty"),
        (line(prompt=3), "not empty"),
        (line(messages="hi"), "is a list"),
        (line(messages=[{"role": "robot", "content": "x"}]), "a message has"),
        (line(messages=[{"role": "user", "content": [{"type": "text"}]}]), "a message has"),
        (line(prompt="a", promt="b"), "no key 'promt'"),
        (line(prompt="a", temperature=0.1), "no key 'temperature'"),
        (line(prompt="a", options={"temprature": 1}), "no option 'temprature'"),
        (line(prompt="a", options={"temperature": "hot"}), "temperature must be"),
        (line(prompt="a", options={"max_tokens": True}), "max_tokens must be"),
        (line(prompt="a", options=[]), '"options" is an object'),
        (line(prompt="a", schema=3), "not an object"),
    ],
)
def test_what_is_wrong_is_said(content: bytes, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        _read(content)
    assert message in caught.value.message


def test_an_option_in_the_wrong_place_is_told_the_right_one() -> None:
    with pytest.raises(InvalidInput) as caught:
        _read(line(prompt="a", temperature=0.1))
    assert caught.value.hint == '{"prompt": "…", "options": {"temperature": …}}'


def test_the_fingerprint_changes_with_what_shapes_the_answer() -> None:
    one, options = line(prompt="a"), Options(seed=1)
    same = _fingerprint(one, MODEL, options=options, system="a")
    assert _fingerprint(one + b"\r\n", MODEL, options=Options(seed=1), system="a") == same
    others = [
        _fingerprint(line(prompt="b"), MODEL, options=options, system="a"),
        _fingerprint(one, MODEL, options=Options(seed=2), system="a"),
        _fingerprint(one, MODEL, options=options, system="b"),
        _fingerprint(one, MODEL, options=options, system="a", schema=SCHEMA),
        _fingerprint(one, MODEL, options=options, system="a", think="high"),
        _fingerprint(
            one, ResolvedModel("robot", "r3", Zone.DEVICE, ""), options=options, system="a"
        ),
        fingerprint(
            one,
            LineDefaults(AskSettings(options=options, system="a"), TEMPLATE, {"to": "French"}),
            MODEL,
        ),
    ]
    assert len({same, *others}) == len(others) + 1


def test_how_long_the_model_stays_does_not_shape_the_answer() -> None:
    one = line(prompt="a")
    plain = _fingerprint(one, MODEL)
    assert _fingerprint(one, MODEL, keep_alive_s=1) == plain
    assert _fingerprint(one, MODEL, force=True) == plain
    assert _fingerprint(one, MODEL, context_tokens=512) == plain


def test_a_fingerprint_of_this_version_is_that_of_every_later_one() -> None:
    """A batch that was begun with an older localai goes on: what is not set has no part in it."""
    one = b'{"prompt": "What is the capital of France?"}'
    assert f"{_fingerprint(one, MODEL):016x}" == "6a0517645a846f7c"
    every = {
        "system": "Be brief.",
        "options": Options(0.0, 0.9, 40, 0.1, 1.1, 0.2, 0.3, 7, 64, ("END",), {"mirostat": 2}),
        "schema": SCHEMA,
        "think": "off",
    }
    assert f"{_fingerprint(one, MODEL, **every):016x}" == "5223cbed36595e88"


TEMPLATE = parse_template(
    '+++\nsystem = "You speak $to."\n[variables]\nto = "German"\n+++\n$input, in $to, $count',
    Path("say.md"),
)


def test_the_other_keys_of_a_line_are_the_template_s_variables() -> None:
    prompt = _read(line(id=1, prompt="hello", to="French", count=3), template=TEMPLATE)
    assert prompt.messages == (Message("user", "hello, in French, 3"),)
    assert prompt.settings.system == "You speak French."


def test_what_the_command_gives_a_template_holds_where_the_line_says_nothing() -> None:
    settings: dict[str, Any] = {"template": TEMPLATE, "parameters": {"to": "Czech", "count": "1"}}
    assert _read(line(prompt="a"), **settings).messages[0].text == "a, in Czech, 1"
    assert _read(line(prompt="a", count=2), **settings).messages[0].text == "a, in Czech, 2"
    assert _read(line(prompt="a"), system="be brief", **settings).settings.system == "be brief"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (line(prompt="a"), "needs count"),
        (line(prompt="a", count=1, tone="kind"), "no variable 'tone'"),
        (line(count=1), "needs something to work on"),
        (line(messages=[], count=1), 'has a "prompt"'),
    ],
)
def test_what_is_wrong_for_a_template_is_said(content: bytes, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        _read(content, template=TEMPLATE)
    assert message in caught.value.message

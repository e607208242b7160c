"""What a line may say, and what is wrong with it otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from localai.batch.prompts import Prompt, Settings, fingerprint, read_prompt
from localai.chat.schema import from_document
from localai.chat.templates import parse_template
from localai.errors import InvalidInput
from localai.types import Message, Options, ResolvedModel, Zone

SCHEMA = from_document({"type": "object"}, "it")
MODEL = ResolvedModel("robot", "r2", Zone.DEVICE, "")


def _read(content: bytes, **settings: Any) -> Prompt:
    return read_prompt(content, Settings(Options(), **settings))


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_a_prompt_is_one_message_and_its_id_is_anything() -> None:
    prompt = _read(line(id={"row": 7}, prompt="hello", system="be brief"))
    assert prompt.id == {"row": 7}
    assert prompt.messages == (Message("user", "hello"),)
    assert prompt.system == "be brief"


def test_messages_are_a_conversation() -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    prompt = _read(line(messages=[*turns, {"role": "user", "content": "c"}]))
    assert [message.text for message in prompt.messages] == ["a", "b", "c"]


def test_options_have_the_types_of_json() -> None:
    options = {"temperature": 0, "max_tokens": 9, "stop": ["x", "y"], "provider.mirostat": 2}
    assert _read(line(prompt="a", options=options)).options == Options(
        temperature=0.0, max_tokens=9, stop=("x", "y"), extra={"mirostat": 2}
    )


def test_null_is_as_if_it_were_not_there() -> None:
    prompt = _read(line(prompt="a", messages=None, options=None, schema=None, id=None))
    assert prompt.messages == (Message("user", "a"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not json", "not JSON"),
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
    settings = Settings(Options(seed=1), system="a")
    one = line(prompt="a")
    same = fingerprint(one, settings, MODEL)
    assert fingerprint(one + b"\r\n", Settings(Options(seed=1), system="a"), MODEL) == same
    others = [
        fingerprint(line(prompt="b"), settings, MODEL),
        fingerprint(one, Settings(Options(seed=2), system="a"), MODEL),
        fingerprint(one, Settings(Options(seed=1), system="b"), MODEL),
        fingerprint(one, Settings(Options(seed=1), system="a", schema=SCHEMA), MODEL),
        fingerprint(one, settings, ResolvedModel("robot", "r3", Zone.DEVICE, "")),
    ]
    assert len({same, *others}) == len(others) + 1


def test_how_long_the_model_stays_does_not_shape_the_answer() -> None:
    one = line(prompt="a")
    assert fingerprint(one, Settings(Options(), keep_alive_s=1), MODEL) == fingerprint(
        one, Settings(Options(), force=True), MODEL
    )


TEMPLATE = parse_template(
    '+++\nsystem = "You speak $to."\n[variables]\nto = "German"\n+++\n$input, in $to, $count',
    Path("say.md"),
)


def test_the_other_keys_of_a_line_are_the_template_s_variables() -> None:
    prompt = _read(line(id=1, prompt="hello", to="French", count=3), template=TEMPLATE)
    assert prompt.messages == (Message("user", "hello, in French, 3"),)
    assert prompt.system == "You speak French."


def test_what_the_command_gives_a_template_holds_where_the_line_says_nothing() -> None:
    settings = {"template": TEMPLATE, "parameters": {"to": "Czech", "count": "1"}}
    assert _read(line(prompt="a"), **settings).messages[0].text == "a, in Czech, 1"
    assert _read(line(prompt="a", count=2), **settings).messages[0].text == "a, in Czech, 2"
    assert _read(line(prompt="a"), system="be brief", **settings).system == "be brief"


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

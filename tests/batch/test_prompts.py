"""What a line may say, and what is wrong with it otherwise."""

from __future__ import annotations

import json
from typing import Any

import pytest

from localai.batch.prompts import Settings, fingerprint, read_prompt
from localai.errors import InvalidInput
from localai.types import Message, Options, ResolvedModel, Zone

MODEL = ResolvedModel("robot", "r2", Zone.DEVICE, "")


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_a_prompt_is_one_message_and_its_id_is_anything() -> None:
    prompt = read_prompt(line(id={"row": 7}, prompt="hello", system="be brief"))
    assert prompt.id == {"row": 7}
    assert prompt.messages == (Message("user", "hello"),)
    assert prompt.system == "be brief"


def test_messages_are_a_conversation() -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    prompt = read_prompt(line(messages=[*turns, {"role": "user", "content": "c"}]))
    assert [message.text for message in prompt.messages] == ["a", "b", "c"]


def test_options_have_the_types_of_json() -> None:
    options = {"temperature": 0, "max_tokens": 9, "stop": ["x", "y"], "provider.mirostat": 2}
    assert read_prompt(line(prompt="a", options=options)).options == Options(
        temperature=0.0, max_tokens=9, stop=("x", "y"), extra={"mirostat": 2}
    )


def test_null_is_as_if_it_were_not_there() -> None:
    prompt = read_prompt(line(prompt="a", messages=None, options=None, schema=None, id=None))
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
        (line(prompt="a", schema="int"), '"schema" is an object'),
    ],
)
def test_what_is_wrong_is_said(content: bytes, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_prompt(content)
    assert message in caught.value.message


def test_an_option_in_the_wrong_place_is_told_the_right_one() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_prompt(line(prompt="a", temperature=0.1))
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
        fingerprint(one, Settings(Options(seed=1), system="a", schema={"type": "object"}), MODEL),
        fingerprint(one, settings, ResolvedModel("robot", "r3", Zone.DEVICE, "")),
    ]
    assert len({same, *others}) == len(others) + 1


def test_how_long_the_model_stays_does_not_shape_the_answer() -> None:
    one = line(prompt="a")
    assert fingerprint(one, Settings(Options(), keep_alive_s=1), MODEL) == fingerprint(
        one, Settings(Options(), force=True), MODEL
    )

"""A line of a batch's input: from JSON to a request. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, get_args

from localai.chat.ask import effective_options, with_system_prompt
from localai.chat.incoming import decode
from localai.chat.options import parse_options
from localai.errors import InvalidInput
from localai.types import ChatRequest, Message, Options, ResolvedModel, Role, Think

if TYPE_CHECKING:
    from localai.chat.select import Chosen
    from localai.config import Config

KEYS = ("id", "prompt", "messages", "system", "options", "schema")


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for every line that does not say otherwise."""

    options: Options
    system: str | None = None
    schema: Mapping[str, Any] | None = None
    think: Think | None = None
    context_tokens: int | None = None
    keep_alive_s: float | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a line asks. `id` is whatever the user wants back beside the answer."""

    id: Any
    messages: tuple[Message, ...]
    system: str | None
    options: Options
    schema: Mapping[str, Any] | None


def read_prompt(content: bytes) -> Prompt:
    """What a line asks. Raises InvalidInput that says what is wrong with it."""
    document = read_object(content)
    known = {key: document[key] for key in KEYS if document.get(key) is not None}
    unknown = next((key for key in document if key not in KEYS), None)
    if unknown is not None:
        raise InvalidInput(f"there is no key {unknown!r} in a line", hint=_hint(unknown))
    if ("prompt" in known) == ("messages" in known):
        raise InvalidInput('a line has either "prompt" or "messages"', hint=_EXAMPLE)
    return Prompt(
        id=document.get("id"),
        messages=_messages(known),
        system=_text(known, "system") if "system" in known else None,
        options=_options(known.get("options", {})),
        schema=_object(known, "schema") if "schema" in known else None,
    )


def read_object(content: bytes) -> dict[str, Any]:
    """The JSON object in a line. Raises InvalidInput."""
    try:
        document = json.loads(decode(content, "the line"))
    except ValueError as error:
        raise InvalidInput(f"this is not JSON: {error}", hint=_EXAMPLE) from error
    if not isinstance(document, dict):
        raise InvalidInput("this is JSON, but not an object", hint=_EXAMPLE)
    return document


def request_for(prompt: Prompt, settings: Settings, chosen: Chosen, config: Config) -> ChatRequest:
    """The request for a line; what the line says goes before what holds for all."""
    system = prompt.system or settings.system
    options = _overlay(settings.options, prompt.options)
    return ChatRequest(
        model=chosen.model,
        messages=with_system_prompt(prompt.messages, system, chosen, config),
        options=effective_options(options, chosen, config),
        schema=settings.schema if prompt.schema is None else prompt.schema,
        think=settings.think,
        context_tokens=settings.context_tokens,
        keep_alive_s=settings.keep_alive_s,
        force=settings.force,
    )


def fingerprint(content: bytes, settings: Settings, model: ResolvedModel) -> int:
    """64 bits that change with the line and with what shapes its answer: the model, the system
    prompt, the options, the schema."""
    shaping = {
        "model": f"{model.provider}/{model.id}",
        "system": settings.system,
        "options": {field.name: getattr(settings.options, field.name) for field in fields(Options)},
        "schema": settings.schema,
        "think": settings.think,
    }
    text = json.dumps(shaping, sort_keys=True).encode() + b"\n" + content.strip()
    return int.from_bytes(hashlib.sha256(text).digest()[:8])


_EXAMPLE = '{"id": 1, "prompt": "What is the capital of France?"}'


def _hint(key: str) -> str:
    from difflib import get_close_matches

    if key in {field.name for field in fields(Options)}:
        return f'{{"prompt": "…", "options": {{"{key}": …}}}}'
    near = get_close_matches(key, KEYS, n=1)
    return f"did you mean {near[0]!r}?" if near else '"id" takes any JSON, and comes back'


def _messages(known: Mapping[str, Any]) -> tuple[Message, ...]:
    if "prompt" in known:
        return (Message("user", _text(known, "prompt")),)
    messages = known["messages"]
    if not isinstance(messages, list) or not messages:
        raise InvalidInput('"messages" is a list of {"role": …, "content": …}')
    return tuple(_message(each) for each in messages)


def _message(raw: Any) -> Message:
    if (
        not isinstance(raw, dict)
        or raw.get("role") not in get_args(Role)
        or not isinstance(raw.get("content"), str)
    ):
        raise InvalidInput(
            'a message has a "role" (system, user, assistant) and a "content" that is a text',
            hint='{"messages": [{"role": "user", "content": "hello"}]}',
        )
    return Message(raw["role"], raw["content"])


def _text(known: Mapping[str, Any], key: str) -> str:
    value = known[key]
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f'"{key}" is a text that is not empty, not {json.dumps(value)[:40]}')
    return value


def _object(known: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = known[key]
    if not isinstance(value, dict):
        raise InvalidInput(f'"{key}" is an object, not {json.dumps(value)[:40]}')
    return value


def _options(raw: Any) -> Options:
    if not isinstance(raw, dict):
        raise InvalidInput('"options" is an object', hint='"options": {"temperature": 0}')
    pairs = []
    for key, value in raw.items():
        for each in value if key == "stop" and isinstance(value, list) else [value]:
            pairs.append((key, each if isinstance(each, str) else json.dumps(each)))
    return parse_options(pairs)


def _overlay(below: Options, above: Options) -> Options:
    given = {
        field.name: getattr(above, field.name)
        for field in fields(Options)
        if getattr(above, field.name) not in (None, (), {})
    }
    return replace(below, **given)

"""A line of a batch's input: from JSON to a request. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, get_args

from localai.chat.ask import effective_options, with_system_prompt
from localai.chat.text_input import decode
from localai.errors import InvalidInput
from localai.options import overlaid_options, parse_json_options
from localai.types import ChatRequest, Message, Options, ResolvedModel, Role, Think

if TYPE_CHECKING:
    from localai.chat.schema import Schema
    from localai.chat.select import Chosen
    from localai.chat.templates import Filled, Template
    from localai.config import Config

KEYS = ("id", "prompt", "messages", "system", "options", "schema")


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for every line that does not say otherwise."""

    options: Options
    system: str | None = None
    schema: Schema | None = None
    template: Template | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
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
    schema: Schema | None


def read_prompt(content: bytes, settings: Settings) -> Prompt:
    """What a line asks. Raises InvalidInput that says what is wrong with it."""
    document = _read_object(content)
    known = {key: document[key] for key in KEYS if document.get(key) is not None}
    others = {key: value for key, value in document.items() if key not in KEYS}
    system = _text(known, "system") if "system" in known else None
    if settings.template is None:
        messages = _messages(known, others)
    else:
        filled = _filled(settings.template, {**settings.parameters, **others}, known)
        messages = (Message("user", filled.prompt),)
        system = system or settings.system or filled.system
    return Prompt(
        id=document.get("id"),
        messages=messages,
        system=system,
        options=parse_json_options(known.get("options", {})),
        schema=_schema(known["schema"]) if "schema" in known else None,
    )


def _read_object(content: bytes) -> dict[str, Any]:
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
    system = settings.system if prompt.system is None else prompt.system
    options = overlaid_options(settings.options, prompt.options)
    schema = prompt.schema or settings.schema
    return ChatRequest(
        model=chosen.model,
        messages=with_system_prompt(prompt.messages, system, chosen, config),
        options=effective_options(options, chosen, config),
        schema=None if schema is None else schema.document,
        think=settings.think,
        context_tokens=settings.context_tokens,
        keep_alive_s=settings.keep_alive_s,
        force=settings.force,
    )


def fingerprint(content: bytes, settings: Settings, model: ResolvedModel) -> int:
    """64 bits that change with the line and with what shapes its answer: the model, the system
    prompt, the options, the schema, the template."""
    template = settings.template
    shaping = {
        "model": f"{model.provider}/{model.id}",
        "system": settings.system,
        "options": {field.name: getattr(settings.options, field.name) for field in fields(Options)},
        "schema": None if settings.schema is None else settings.schema.document,
        "template": None if template is None else [template.prompt, template.system],
        "parameters": dict(settings.parameters),
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


def _messages(known: Mapping[str, Any], others: Mapping[str, Any]) -> tuple[Message, ...]:
    if others:
        unknown = next(iter(others))
        raise InvalidInput(f"there is no key {unknown!r} in a line", hint=_hint(unknown))
    if ("prompt" in known) == ("messages" in known):
        raise InvalidInput('a line has either "prompt" or "messages"', hint=_EXAMPLE)
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


def _schema(raw: Any) -> Schema:
    from localai.chat.schema import from_document, read_schema

    return read_schema(raw) if isinstance(raw, str) else from_document(raw, '"schema"')


def _filled(template: Template, values: Mapping[str, Any], known: Mapping[str, Any]) -> Filled:
    """The template with a line's other keys as its variables and its prompt as the input."""
    from localai.chat.templates import fill

    if "messages" in known:
        raise InvalidInput('with a template a line has a "prompt", not "messages"')
    texts = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in values.items()
    }
    return fill(template, texts, _text(known, "prompt") if "prompt" in known else "")

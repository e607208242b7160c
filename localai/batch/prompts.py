"""A line of a batch's input: from its JSON to the question in it. Pure."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, get_args

from localai.chat.encodings import decode
from localai.chat.request import AskSettings, shaping
from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.files import content_key
from localai.near_names import did_you_mean
from localai.sampling_options import SAMPLING_OPTIONS, options_set, parse_json_options
from localai.types import Message, ResolvedModel, Role

if TYPE_CHECKING:
    from localai.chat.filling import Filled
    from localai.chat.schema import Schema
    from localai.chat.templates import Template

KEYS = ("id", "prompt", "messages", "system", "options", "schema")


@dataclass(frozen=True, slots=True)
class LineDefaults:
    """The settings of every line that has none of its own."""

    settings: AskSettings = AskSettings()
    template: Template | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prompt:
    """The question of a line, and the line's own settings. `id` is the user's, and is written
    beside the answer."""

    id: Any
    messages: tuple[Message, ...]
    settings: AskSettings


def read_prompt(content: bytes, defaults: LineDefaults) -> Prompt:
    """The question of a line. Raises InvalidInput with what is wrong with the line."""
    document = _read_object(content)
    known = {key: document[key] for key in KEYS if document.get(key) is not None}
    others = {key: value for key, value in document.items() if key not in KEYS}
    system = _text(known, "system") if "system" in known else None
    if defaults.template is None:
        messages = _messages(known, others)
    else:
        filled = _filled(defaults.template, {**defaults.parameters, **others}, known)
        messages = (Message("user", filled.prompt),)
        system = system or defaults.settings.system or filled.system
    settings = AskSettings(
        system=system,
        options=parse_json_options(known.get("options", {})),
        schema=_schema(known["schema"]) if "schema" in known else None,
    )
    return Prompt(document.get("id"), messages, settings)


def _read_object(content: bytes) -> dict[str, Any]:
    """The JSON object in a line. Raises InvalidInput."""
    try:
        text = decode(content, "the line", is_line=True)
        document = json.loads(text, parse_constant=_finite, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise _not_json(error) from error
    except ValueError as error:
        raise InvalidInput(f"this is not JSON: {error}", hint=_EXAMPLE) from error
    except RecursionError as error:
        raise InvalidInput("this is JSON, but nested too deeply", hint=_EXAMPLE) from error
    if not isinstance(document, dict):
        raise InvalidInput("this is JSON, but not an object", hint=_EXAMPLE)
    if b"\\u" in content:
        _require_characters({key: value for key, value in document.items() if key != "id"})
    return document


def _not_json(error: json.JSONDecodeError) -> InvalidInput:
    """The fault of a line that cannot be read, and how its file becomes JSON Lines."""
    text = error.doc.strip()
    if text in ("{", "["):
        each = "." if text == "{" else ".[]"
        return InvalidInput(
            "a JSON document of several lines begins here, and each line is one of its own",
            hint=f"jq -c '{each}' FILE writes it so",
        )
    if text and text[0] not in '{["':
        return InvalidInput(
            f"this is plain text, and each line is a JSON object: {_EXAMPLE}",
            hint="jq -Rc '{prompt: .}' FILE makes such lines of plain ones",
        )
    return InvalidInput(
        f"this is not JSON: {error.msg} at character {error.pos + 1}", hint=_EXAMPLE
    )


def _finite(text: str) -> float:
    """A finite number: the `id` is written out again, and JSON has no NaN. Raises ValueError."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number of JSON")
    return number


def _require_characters(asked: Mapping[str, Any]) -> None:
    """Raise InvalidInput for a lone surrogate: JSON can carry it, but no model can be asked with
    it."""
    try:
        json.dumps(asked, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = ord(error.object[error.start])
        raise InvalidInput(
            f"there is half a character in it (\\u{half:04x}, a lone surrogate)"
        ) from error


def fingerprint(content: bytes, defaults: LineDefaults, model: ResolvedModel) -> int:
    """64 bits that change with the line and with whatever shapes its answer: the model, the
    settings, the template. A setting that is not set changes nothing."""
    template = defaults.template
    shapes = {"model": f"{model.provider}/{model.id}", **shaping(defaults.settings)}
    if model.preset is not None or model.is_set:
        # These may be edited under their names: what they set is what counts.
        shapes["preset"] = [
            model.system_prompt,
            options_set(model.recommended),
            [[each.role, each.text] for each in model.examples],
            model.think,
            *([] if model.adapter is None else [content_key(model.adapter)]),
            *([] if model.template_file is None else [content_key(model.template_file)]),
            *([] if model.go_template is None else [model.go_template]),
        ]
    if template is not None:
        shapes["template"] = [template.prompt, template.system]
    if defaults.parameters:
        shapes["parameters"] = dict(defaults.parameters)
    text = json.dumps(shapes, sort_keys=True).encode() + b"\n" + content.strip()
    return int.from_bytes(hashlib.sha256(text).digest()[:8])


_EXAMPLE = '{"id": 1, "prompt": "What is the capital of France?"}'


def _hint(key: str) -> str:
    if key in {option.name for option in SAMPLING_OPTIONS}:
        return f'{{"prompt": "…", "options": {{"{key}": …}}}}'
    return did_you_mean(key, KEYS) or '"id" takes any JSON, and comes back'


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
    from localai.chat.schema import from_data

    return from_data(raw, '"schema"')


def _filled(template: Template, values: Mapping[str, Any], known: Mapping[str, Any]) -> Filled:
    """The template, with a line's other keys as its variables and the line's prompt as its
    input."""
    from localai.chat.filling import fill

    if "messages" in known:
        raise InvalidInput('with a template a line has a "prompt", not "messages"')
    texts = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in values.items()
    }
    return fill(template, texts, _text(known, "prompt") if "prompt" in known else "")

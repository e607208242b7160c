"""Ollama's Modelfile, read into a preset and written from one. Pure.

What a preset does not have (a licence, a renderer of Ollama's own) is named in what was left out,
never dropped silently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast, get_args

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.options import SAMPLING_OPTIONS, options_set, parse_options
from localai.stores.presets import Preset
from localai.types import Message, Role

_INSTRUCTION: Final = re.compile(r"([A-Za-z]+)[ \t]+")
_QUOTES: Final = '"""'
_BY_OLLAMA: Final = {
    name: option.name for option in SAMPLING_OPTIONS if (name := option.wires.get("ollama"))
}
_TO_OLLAMA: Final = {name: key for key, name in _BY_OLLAMA.items()}


@dataclass(frozen=True, slots=True)
class ReadModelfile:
    """The preset that a Modelfile makes; `left_out` are its instructions that a preset lacks."""

    preset: Preset
    left_out: tuple[str, ...]


def read_modelfile(name: str, text: str) -> ReadModelfile:
    """The preset called `name` that the Modelfile `text` describes. Raises InvalidInput."""
    base: str | None = None
    system: str | None = None
    messages: list[Message] = []
    pairs: list[tuple[str, str]] = []
    context: int | None = None
    left_out: list[str] = []
    adapter: Path | None = None
    template: str | None = None
    for instruction, value in _instructions(text):
        match instruction:
            case "FROM":
                base = value
            case "SYSTEM":
                system = value
            case "TEMPLATE":
                template = value
            case "ADAPTER" if value.startswith("/"):
                adapter = Path(value)
            case "MESSAGE":
                messages.append(_message(value))
            case "PARAMETER":
                key, _, given = value.partition(" ")
                given = _unquoted(given.strip())
                if key == "num_ctx" and given.isdecimal():
                    context = int(given)
                elif key in _BY_OLLAMA and not _is_no_limit(key, given):
                    pairs.append((_BY_OLLAMA[key], given))
                else:
                    left_out.append(f"PARAMETER {key}")
            case _:
                left_out.append(instruction)
    if not base:
        raise InvalidInput("a Modelfile begins with FROM and the name of a model", hint="FROM NAME")
    preset = Preset(
        name,
        base,
        system=system,
        options=parse_options(pairs),
        context_tokens=context,
        adapter=adapter,
        go_template=template,
        messages=tuple(messages),
    )
    return ReadModelfile(preset, tuple(dict.fromkeys(left_out)))


def modelfile_text(preset: Preset) -> str:
    """The Modelfile of `preset`, as `ollama create` takes it."""
    lines = [f"FROM {preset.base}"]
    lines += [] if preset.adapter is None else [f"ADAPTER {preset.adapter}"]
    values: dict[str, Any] = options_set(preset.options)
    values.pop("extra", None)
    for name, value in values.items():
        for each in value if isinstance(value, tuple) else (value,):
            lines.append(f"PARAMETER {_TO_OLLAMA.get(name, name)} {_quoted(each)}")
    if preset.context_tokens is not None:
        lines.append(f"PARAMETER num_ctx {preset.context_tokens}")
    if preset.go_template is not None:
        lines.append(f"TEMPLATE {_QUOTES}{preset.go_template}{_QUOTES}")
    if preset.system is not None:
        lines.append(f"SYSTEM {_QUOTES}{preset.system}{_QUOTES}")
    for message in preset.messages:
        lines.append(f"MESSAGE {message.role} {_QUOTES}{message.text}{_QUOTES}")
    return "\n".join(lines) + "\n"


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _INSTRUCTION.match(line.lstrip())
        if match is None:
            raise InvalidInput(f"a line of the Modelfile is no instruction: {line[:60]!r}")
        value = line.lstrip()[match.end() :].strip()
        before, opened, rest = value.partition(_QUOTES)
        if opened and _QUOTES not in rest:
            held = [rest]
            for more in lines:
                inside, closed, _ = more.partition(_QUOTES)
                held.append(inside)
                if closed:
                    break
            else:
                raise InvalidInput(f'{match[1]}: its """ is never closed')
            value = before + "\n".join(held)
        else:
            value = before + rest.replace(_QUOTES, "") if opened else _unquoted(value)
        instruction = match[1].upper()
        # A template's newlines are part of the prompt.
        yield instruction, value if instruction == "TEMPLATE" else value.strip("\n")


def _message(value: str) -> Message:
    role, _, text = value.partition(" ")
    if role not in get_args(Role):
        raise InvalidInput(f"MESSAGE takes {', '.join(get_args(Role))} first, not {role!r}")
    return Message(cast("Role", role), _unquoted(text.strip()))


def _is_no_limit(key: str, given: str) -> bool:
    """Whether it is Ollama's word for an answer without a limit."""
    return key == "num_predict" and given.startswith("-")


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _quoted(value: Any) -> str:
    text = str(value)
    return f'"{text}"' if isinstance(value, str) else text

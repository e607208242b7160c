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
from localai.sampling_options import SAMPLING_OPTIONS, options_set, parse_options
from localai.stores.presets import Preset
from localai.types import Message, Role
from localai.units import whole_number

_INSTRUCTION: Final = re.compile(r"([A-Za-z]+)[ \t]+")
_QUOTES: Final = '"""'
_WITH_KEYS: Final = ("PARAMETER", "MESSAGE")
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
                # An empty one is none, as in Ollama.
                template = value or None
            case "ADAPTER" if value.startswith("/"):
                adapter = Path(value)
            case "MESSAGE":
                messages.append(_message(value))
            case "PARAMETER":
                key, _, given = value.partition(" ")
                if key == "num_ctx" and (tokens := whole_number(given)):
                    context = tokens
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
    """The Modelfile of `preset`, as `ollama create` takes it. Raises InvalidInput for a text that
    would end its quotes, and go on as an instruction."""
    lines = [f"FROM {_on_one_line('from', preset.base)}"]
    if preset.adapter is not None:
        lines.append(f"ADAPTER {_on_one_line('adapter', str(preset.adapter))}")
    values: dict[str, Any] = options_set(preset.options)
    values.pop("extra", None)
    for name, value in values.items():
        for each in value if isinstance(value, tuple) else (value,):
            lines.append(f"PARAMETER {_TO_OLLAMA.get(name, name)} {_parameter(name, each)}")
    if preset.context_tokens is not None:
        lines.append(f"PARAMETER num_ctx {preset.context_tokens}")
    if preset.go_template is not None:
        lines.append(f"TEMPLATE {_quoted('template', preset.go_template)}")
    if preset.system is not None:
        lines.append(f"SYSTEM {_quoted('system', preset.system)}")
    for message in preset.messages:
        lines.append(f"MESSAGE {message.role} {_quoted('a message', message.text)}")
    return "\n".join(lines) + "\n"


def _parameter(name: str, value: Any) -> str:
    if not isinstance(value, str):
        return str(value)
    return _quoted(name, value) if '"' in value else f'"{value}"'


def _quoted(what: str, text: str) -> str:
    if _QUOTES not in text and not text.endswith('"'):
        return f"{_QUOTES}{text}{_QUOTES}"
    if not text.startswith('"') and text == text.strip() and len(text.splitlines()) == 1:
        return text
    raise InvalidInput(f'{what} has {_QUOTES} in it, or ends with ": no Modelfile can hold that')


def _on_one_line(what: str, text: str) -> str:
    if len(text.splitlines()) != 1 or text != text.strip() or text.startswith('"'):
        raise InvalidInput(f"{what} is no line that a Modelfile can hold: {text[:60]!r}")
    return text


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _INSTRUCTION.match(line.lstrip())
        if match is None:
            raise InvalidInput(f"a line of the Modelfile is no instruction: {line[:60]!r}")
        name, value = match[1].upper(), line.lstrip()[match.end() :].strip()
        key, _, rest = value.partition(" ") if name in _WITH_KEYS else ("", "", value)
        rest = rest.lstrip()
        if rest.startswith(_QUOTES):
            rest = _closed(name, rest.removeprefix(_QUOTES), _QUOTES, lines)
            # A template's newlines are part of the prompt.
            rest = rest if name == "TEMPLATE" else rest.strip("\n")
        elif rest.startswith('"'):
            rest = _closed(name, rest.removeprefix('"'), '"', lines)
        yield name, f"{key} {rest}" if key else rest


def _closed(name: str, begun: str, quotes: str, lines: Iterator[str]) -> str:
    """What stands within quotes, over several lines if need be. Single quotes end where a line
    does, for more of them may stand in between."""
    held: list[str] = []
    line: str | None = begun
    while line is not None:
        if quotes in line and (quotes == _QUOTES or line.rstrip().endswith(quotes)):
            end = line.find(quotes) if quotes == _QUOTES else line.rindex(quotes)
            return "\n".join([*held, line[:end]])
        held.append(line)
        line = next(lines, None)
    raise InvalidInput(f"{name}: its {quotes} is never closed")


def _message(value: str) -> Message:
    role, _, text = value.partition(" ")
    if role not in get_args(Role):
        raise InvalidInput(f"MESSAGE takes {', '.join(get_args(Role))} first, not {role!r}")
    return Message(cast("Role", role), text)


def _is_no_limit(key: str, given: str) -> bool:
    """Whether it is Ollama's word for an answer without a limit."""
    return key == "num_predict" and given.startswith("-")

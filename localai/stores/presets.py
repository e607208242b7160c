"""Presets: a model with lasting settings under a name of its own, used like a model.

A preset is a small TOML file in `presets/` beside the configuration:

    from = "qwen3:8b"
    system = "You review code."
    context = 16384
    kv = "q8_0"
    think = "off"
    adapter = "/models/tuned-lora.gguf"
    chat_template = "/models/tools.jinja"
    template = "{{ .System }} {{ .Prompt }}"

    [options]
    temperature = 0

    [[messages]]
    role = "user"
    text = "…"

`from` is a model's name or another preset's. What a preset does not set is the model's own.
`chat_template` is a file in Jinja, `template` a text in Go's language, as a Modelfile has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.files import user_path, write_atomically
from localai.paths import private_dir, require_owned_by_user
from localai.patterns import lazy_pattern
from localai.sampling_options import options_set, overlaid_options, parse_json_options
from localai.types import Message, Options, ResolvedModel, Role, Think

if TYPE_CHECKING:
    from localai.engine.worker_files import KvType
    from localai.paths import Paths

_NAME: Final = lazy_pattern(r"[a-z0-9][a-z0-9._-]{0,99}")
_LARGEST_BYTES: Final = 1 << 20
_LARGEST_CONTEXT: Final = 1 << 30
_KINDS: Final[Mapping[str, type]] = {
    "from": str,
    "description": str,
    "system": str,
    "context": int,
    "kv": str,
    "think": str,
    "adapter": str,
    "chat_template": str,
    "template": str,
    "options": dict,
    "messages": list,
}


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset as its file has it; None is not set. `messages` come before every conversation."""

    name: str
    base: str
    description: str = ""
    system: str | None = None
    options: Options = field(default_factory=Options)
    context_tokens: int | None = None
    kv_type: KvType | None = None
    think: Think | None = None
    adapter: Path | None = None
    template_file: Path | None = None
    go_template: str | None = None
    messages: tuple[Message, ...] = ()

    def applied_to(self, model: ResolvedModel) -> ResolvedModel:
        """`model` with what the preset sets."""
        return replace(
            model,
            preset=self.name,
            system_prompt=model.system_prompt if self.system is None else self.system,
            system_is_set=model.system_is_set or self.system is not None,
            recommended=overlaid_options(model.recommended, self.options),
            examples=self.messages or model.examples,
            context_tokens=self.context_tokens or model.context_tokens,
            kv_type=self.kv_type or model.kv_type,
            think=self.think or model.think,
            adapter=self.adapter or model.adapter,
            template_file=self.template_file or model.template_file,
            go_template=self.go_template or model.go_template,
        )


def preset_folder(paths: Paths) -> Path:
    """The folder of the presets; it need not exist."""
    return paths.config_file.parent / "presets"


def preset_file(name: str, paths: Paths) -> Path:
    """The file of the preset called `name`; it need not exist. Raises InvalidInput for a name that
    none can have."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} is no name for a preset: small letters, digits, . - and _",
            command="localai preset new my-reviewer --from qwen3:8b",
        )
    return preset_folder(paths) / f"{name}.toml"


def find_preset(name: str, paths: Paths) -> Preset | None:
    """The preset called `name`; None if there is none. Raises InvalidInput if it is broken."""
    if not _NAME.fullmatch(name):
        return None
    file = preset_folder(paths) / f"{name}.toml"
    return read_preset(file) if file.is_file() else None


def chain_of(preset: Preset, paths: Paths) -> tuple[Preset, ...]:
    """`preset`, the preset that it is of, and so on; the last is of a model. Raises InvalidInput if
    one is of itself."""
    chain = [preset]
    while (below := find_preset(chain[-1].base, paths)) is not None:
        if any(each.name == below.name for each in chain):
            names = " → ".join(each.name for each in (*chain, below))
            raise InvalidInput(
                f"the preset {preset.name} is of itself: {names}",
                command=("localai", "preset", "edit", preset.name),
            )
        chain.append(below)
    return tuple(chain)


def applied(chain: Sequence[Preset], model: ResolvedModel) -> ResolvedModel:
    """`model` with what the presets of `chain` set, the first over those below it."""
    for preset in reversed(chain):
        model = preset.applied_to(model)
    return model


def list_presets(paths: Paths) -> Iterator[Preset]:
    """Every preset, by name. Raises InvalidInput if one is broken."""
    for file in sorted(preset_folder(paths).glob("*.toml")):
        if _NAME.fullmatch(file.stem):
            yield read_preset(file)


def read_preset(file: Path) -> Preset:
    """The preset in `file`. Raises InvalidInput."""
    import tomllib

    from localai.engine.worker_files import KvType

    require_owned_by_user(file, "the preset")
    try:
        with file.open("rb") as opened:
            document = tomllib.loads(opened.read(_LARGEST_BYTES).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise _invalid(file, f"it cannot be read: {error}") from error
    for key, value in document.items():
        kind = _KINDS.get(key)
        if kind is None:
            raise _invalid(file, f"there is no key {key!r}", f"there are {', '.join(_KINDS)}")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise _invalid(file, f"{key} has the wrong kind of value")
    if not document.get("from"):
        raise _invalid(file, 'it names no model: from = "qwen3:8b"')
    try:
        options = parse_json_options(document.get("options", {}))
    except InvalidInput as error:
        raise _invalid(file, error.message, error.hint) from error
    context = document.get("context")
    if context is not None and not 1 <= context <= _LARGEST_CONTEXT:
        raise _invalid(file, f"context is a number of tokens, up to {_LARGEST_CONTEXT:,}")
    return Preset(
        name=file.stem,
        base=document["from"],
        description=document.get("description", ""),
        system=document.get("system"),
        options=options,
        context_tokens=context,
        kv_type=_one_of(document, "kv", get_args(KvType), file),
        think=_one_of(document, "think", get_args(Think), file),
        adapter=_whole_path(document, "adapter", file),
        template_file=_whole_path(document, "chat_template", file),
        go_template=document.get("template") or None,
        messages=tuple(_message(each, file) for each in document.get("messages", ())),
    )


def write_preset(preset: Preset, paths: Paths) -> Path:
    """Write `preset` and return its file. Raises InvalidInput for an impossible name."""
    file = preset_file(preset.name, paths)
    private_dir(file.parent)
    write_atomically(file, preset_text(preset).encode())
    return file


def preset_text(preset: Preset) -> str:
    """The content of the file of `preset`."""
    values = {
        "from": preset.base,
        "description": preset.description or None,
        "system": preset.system,
        "context": preset.context_tokens,
        "kv": preset.kv_type,
        "think": preset.think,
        "adapter": None if preset.adapter is None else str(preset.adapter),
        "chat_template": None if preset.template_file is None else str(preset.template_file),
        "template": preset.go_template,
    }
    lines = [f"{key} = {_toml(value)}" for key, value in values.items() if value is not None]
    if options := _flat(preset.options):
        lines += ["", "[options]", *(f"{_key(key)} = {_toml(each)}" for key, each in options)]
    for message in preset.messages:
        lines += ["", "[[messages]]", f"role = {_toml(message.role)}"]
        lines += [f"text = {_toml(message.text)}"]
    return "\n".join(lines) + "\n"


def _flat(options: Options) -> list[tuple[str, Any]]:
    """The options set, those of a provider under its prefix, as `parse_json_options` reads them."""
    values = options_set(options)
    extra = values.pop("extra", {})
    return [*values.items(), *((f"provider.{key}", value) for key, value in extra.items())]


def _key(name: str) -> str:
    return _toml(name) if "." in name else name


def _toml(value: Any) -> str:
    """A TOML value: texts, numbers, lists of them. TOML's basic strings are JSON's, but for DEL."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_of(document: Mapping[str, Any], key: str, known: tuple[Any, ...], file: Path) -> Any:
    value = document.get(key)
    if value is not None and value not in known:
        raise _invalid(file, f"{key} is one of {', '.join(known)}, not {value!r}")
    return value


def _whole_path(document: Mapping[str, Any], key: str, file: Path) -> Path | None:
    written = document.get(key)
    if written is None:
        return None
    path = user_path(written)
    if not path.is_absolute():
        raise _invalid(file, f"{key} is the whole path of a file, not {written}")
    return path


def _message(entry: Any, file: Path) -> Message:
    if not isinstance(entry, dict) or set(entry) != {"role", "text"}:
        raise _invalid(file, "each of its messages has role and text")
    role, text = entry["role"], entry["text"]
    if role not in get_args(Role) or not isinstance(text, str):
        raise _invalid(file, f"a message has a role of {', '.join(get_args(Role))} and a text")
    return Message(role, text)


def _invalid(file: Path, what: str, hint: str | None = None) -> InvalidInput:
    return InvalidInput(f"the preset {file}: {what}", hint=hint, command=("${EDITOR:-vi}", file))

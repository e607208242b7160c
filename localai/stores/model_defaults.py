"""What a model of our own store is asked with by default: system prompt, options, first messages.

Kept beside the file as `.NAME.gguf.json`, so that a second name for a model, and another
quantization of it, answer as the first does.
"""

from __future__ import annotations

import json
from dataclasses import asdict, field
from pathlib import Path
from typing import Any, Final

from localai.dataclass import dataclass
from localai.files import write_atomically
from localai.types import Message, Options, ResolvedModel

_LARGEST_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ModelDefaults:
    """What to ask a model with where the user says nothing."""

    system_prompt: str | None = None
    recommended: Options = field(default_factory=Options)
    examples: tuple[Message, ...] = ()


def defaults_file(model: Path) -> Path:
    """The file with the defaults of the model file `model`, which need not exist."""
    return model.with_name(f".{model.name}.json")


def read_defaults(model: Path) -> ModelDefaults:
    """The defaults of the model file `model`; empty ones where none can be read."""
    try:
        with defaults_file(model).open("rb") as file:
            document: Any = json.loads(file.read(_LARGEST_BYTES))
        recommended = {**document["recommended"], "stop": tuple(document["recommended"]["stop"])}
        examples = tuple(Message(each["role"], each["text"]) for each in document["examples"])
        return ModelDefaults(document["system_prompt"], Options(**recommended), examples)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return ModelDefaults()


def keep_defaults(model: ResolvedModel, file: Path) -> None:
    """Keep the defaults of `model` for `file`, another name or form of it."""
    if (model.system_prompt, model.recommended, model.examples) == (None, Options(), ()):
        return
    document = {
        "system_prompt": model.system_prompt,
        "recommended": asdict(model.recommended),
        "examples": [{"role": each.role, "text": each.text} for each in model.examples],
    }
    write_atomically(defaults_file(file), json.dumps(document).encode())

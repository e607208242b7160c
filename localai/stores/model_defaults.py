"""The defaults of a model of our own store: system prompt, options, first messages, template.

They lie beside the model's file as `.NAME.gguf.json`. A second name for the model and another
quantization of it get a copy, so that they answer as the first does.
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
    """What a question to the model gets if the user says nothing else."""

    system_prompt: str | None = None
    recommended: Options = field(default_factory=Options)
    examples: tuple[Message, ...] = ()
    context_tokens: int | None = None
    go_template: str | None = None


def defaults_file(model: Path) -> Path:
    """The path of the defaults of the model file `model`; the file need not exist."""
    return model.with_name(f".{model.name}.json")


def read_defaults(model: Path) -> ModelDefaults:
    """The defaults of the model file `model`; empty ones if there are none, or they cannot be
    read."""
    try:
        with defaults_file(model).open("rb") as file:
            document: Any = json.loads(file.read(_LARGEST_BYTES))
        recommended = {**document["recommended"], "stop": tuple(document["recommended"]["stop"])}
        examples = tuple(Message(each["role"], each["text"]) for each in document["examples"])
        context = document.get("context_tokens")
        template = document.get("go_template")
        return ModelDefaults(
            document["system_prompt"], Options(**recommended), examples, context, template
        )
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return ModelDefaults()


def keep_defaults(model: ResolvedModel, file: Path) -> None:
    """Write the defaults of `model` beside `file`, which is another name or quantization of it."""
    own = ModelDefaults(
        model.system_prompt,
        model.recommended,
        model.examples,
        model.context_tokens,
        model.go_template,
    )
    if own == ModelDefaults():
        return
    document = {
        "system_prompt": model.system_prompt,
        "recommended": asdict(model.recommended),
        "examples": [{"role": each.role, "text": each.text} for each in model.examples],
        "context_tokens": model.context_tokens,
        "go_template": model.go_template,
    }
    write_atomically(defaults_file(file), json.dumps(document).encode())

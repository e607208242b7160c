"""What a model of our own store was given along: its system prompt and sampling options.

Kept beside the file as `.NAME.gguf.json`, so that a second name for a model, or another
quantization of it, answers as the first does.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from localai.files import write_atomically
from localai.types import Options, ResolvedModel

_LARGEST_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Advice:
    """What to ask a model with where the user says nothing."""

    system_prompt: str | None = None
    recommended: Options = field(default_factory=Options)


def advice_file(model: Path) -> Path:
    """Where the advice for the model file `model` is, or would be."""
    return model.with_name(f".{model.name}.json")


def read_advice(model: Path) -> Advice:
    """What was kept for the model file `model`; nothing where that cannot be read."""
    try:
        with advice_file(model).open("rb") as file:
            document: Any = json.loads(file.read(_LARGEST_BYTES))
        recommended = {**document["recommended"], "stop": tuple(document["recommended"]["stop"])}
        return Advice(document["system_prompt"], Options(**recommended))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return Advice()


def keep_advice(model: ResolvedModel, file: Path) -> None:
    """Keep what `model` is asked with for `file`, another name or form of it."""
    if model.system_prompt is None and model.recommended == Options():
        return
    document = {
        "system_prompt": model.system_prompt,
        "recommended": asdict(model.recommended),
    }
    write_atomically(advice_file(file), json.dumps(document).encode())

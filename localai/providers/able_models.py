"""Which model of this machine can do what the chosen one cannot: see pictures, hold a schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localai.answers import name_in_a_line
from localai.errors import InvalidInput
from localai.formats.model_names import bare_name
from localai.providers.registry import full_name, provider_that_opens
from localai.stores.inventory import gguf_models
from localai.types import ResolvedModel

if TYPE_CHECKING:
    from localai.paths import Paths


def only_by_gguf(model: ResolvedModel, paths: Paths, *, sees: bool) -> InvalidInput:
    """The error for a schema, or for pictures (`sees`). It names a model that is here and can: the
    same one as a GGUF, else the largest."""
    message = (
        "MLX models answer text only here" if sees else "MLX cannot hold an answer to a schema"
    )
    if (found := _instead(model, paths, sees=sees)) is not None:
        name = full_name(provider_that_opens("gguf"), found.id)
        return InvalidInput(
            message,
            hint="the embedded engine can, with a model that is here",
            command=("localai", "chat", "-m", name),
        )
    kind = "a GGUF model with a projector sees pictures" if sees else "a GGUF model can"
    task = "vision" if sees else "chat"
    return InvalidInput(
        message, hint=f"{kind}, and none is here", command=f"localai recommend --task {task}"
    )


def cannot_see(model: ResolvedModel, paths: Paths, *asked: object) -> InvalidInput:
    """The error for pictures that `model` cannot see. It names a model that is here and sees them,
    in a line that ends with the words `asked`."""
    message = f"{name_in_a_line(model)} cannot see pictures"
    if (found := _instead(model, paths, sees=True)) is not None:
        name = full_name(provider_that_opens("gguf"), found.id)
        return InvalidInput(
            message,
            hint=f"{found.id} is here and sees them",
            command=("localai", "chat", "-m", name, *asked),
        )
    return InvalidInput(
        message, hint="no model here sees them", command="localai recommend --task vision"
    )


def _instead(model: ResolvedModel, paths: Paths, *, sees: bool) -> ResolvedModel | None:
    able = [
        each
        for each in gguf_models(paths)
        if each.purpose is None and (not sees or "vision" in (each.capabilities or ()))
    ]
    wanted = bare_name(model.id)
    return max(
        able, key=lambda each: (bare_name(each.id) == wanted, each.size_bytes or 0), default=None
    )

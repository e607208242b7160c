"""What the user has set for one model for good, laid over what its publisher advises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from localai.sampling_options import overlaid_options
from localai.types import Options, ResolvedModel

if TYPE_CHECKING:
    from localai.config import Config


def as_set(model: ResolvedModel, config: Config) -> ResolvedModel:
    """`model` with what `models.NAME` of the configuration sets for it."""
    set_for = config.of_model(model.provider, model.id, model.path)
    if not set_for:
        return model
    found: dict[str, Any] = {}
    for settings in reversed(set_for.values()):
        found |= settings
    system = found.get("system")
    return replace(
        model,
        is_set=True,
        system_prompt=model.system_prompt if system is None else system,
        system_is_set=model.system_is_set or system is not None,
        recommended=overlaid_options(model.recommended, options_in(found)),
        context_tokens=found.get("context", model.context_tokens),
        kv_type=found.get("kv", model.kv_type),
        gpu_layers=found.get("gpu_layers", model.gpu_layers),
        think=found.get("think", model.think),
        adapter=found.get("adapter", model.adapter),
        template_file=found.get("chat_template", model.template_file),
    )


def options_in(settings: Mapping[str, Any]) -> Options:
    """The sampling options among what is set for a model."""
    known = {field.name for field in fields(Options)}
    return Options(**{name: value for name, value in settings.items() if name in known})

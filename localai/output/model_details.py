"""Everything known of one model, on one screen."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from localai.output.speed import speed_text
from localai.output.store_names import STORE_NAMES
from localai.providers.registry import full_name
from localai.stores.describe import parameters_text
from localai.units import UNKNOWN, bytes_text, count_text, counted

if TYPE_CHECKING:
    from localai.library.details import MemoryAt, ModelDetails
    from localai.sizing.speed import SpeedRange
    from localai.types import ResolvedModel


def details_facts(
    details: ModelDetails, table: tuple[MemoryAt, ...], speed: SpeedRange
) -> list[tuple[str, str]]:
    """Everything for a person: a name and its text; an unknown fact is left out."""
    model = details.model
    rows = [
        ("preset", model.preset),
        ("model", full_name(model.provider, model.id)),
        ("title", details.title),
        ("architecture", _architecture(details)),
        ("parameters", _parameters(details)),
        ("quantization", model.quantization),
        ("context", counted(model.context_limit, "token") if model.context_limit else None),
        ("purpose", f"{model.purpose}: it does not chat" if model.purpose else None),
        ("capabilities", ", ".join(sorted(model.capabilities or ()))),
        ("tokenizer", _tokenizer(details)),
        *_template(details),
        ("system", model.system_prompt),
        ("options", _options(model)),
        ("license", details.license),
        *_files(details),
        *_other_names(details),
        ("zone", f"{'unproven' if model.zone is None else model.zone.label}: {model.evidence}"),
        *_memory(table),
        ("speed", _speed(speed)),
    ]
    return [(name, text) for name, text in rows if text]


def _options(model: ResolvedModel) -> str | None:
    """What its maker or a preset sets, in words."""
    from localai.sampling_options import options_set

    options = options_set(model.recommended)
    options.pop("extra", None)
    found = [f"{name} {value}" for name, value in options.items()]
    found += [f"context {model.context_tokens:,}"] if model.context_tokens else []
    found += [f"kv {model.kv_type}"] if model.kv_type else []
    found += [f"GPU layers {model.gpu_layers}"] if model.gpu_layers is not None else []
    found += [f"think {model.think}"] if model.think else []
    found += [f"adapter {model.adapter.name}"] if model.adapter else []
    found += [f"chat template {model.template_file.name}"] if model.template_file else []
    found += [counted(len(model.examples), "first message")] if model.examples else []
    return ", ".join(found) or None


def _architecture(details: ModelDetails) -> str | None:
    from localai.formats.prediction_heads import predicts_ahead

    if details.architecture is None:
        return None
    parts = [details.architecture]
    if details.layers:
        parts.append(counted(details.layers, "layer"))
    if details.embedding:
        parts.append(f"width {details.embedding:,}")
    if details.experts is not None:
        parts.append(f"{details.experts[1] or UNKNOWN} of {details.experts[0]} experts a token")
    if predicts_ahead(details.source):
        parts.append("layers that predict ahead (engine.draft mtp)")
    return ", ".join(parts)


def _parameters(details: ModelDetails) -> str | None:
    count = details.parameter_count
    return details.model.parameters if count is None else f"{parameters_text(count)} ({count:,})"


def _tokenizer(details: ModelDetails) -> str | None:
    if details.tokenizer is None:
        return None
    return f"{details.tokenizer}, {count_text(details.vocabulary)} tokens"


def _template(details: ModelDetails) -> list[tuple[str, str]]:
    """What it is asked with, then what is wrong with that."""
    if details.source is None:
        return []
    if details.template is None:
        own = "none: it is a base model, which continues texts"
    else:
        own = f"{counted(len(details.template), 'character')} (--template shows it)"
    rows = [("template", own)]
    if details.model.go_template is not None:
        rows.append(("", "its maker's TEMPLATE holds where it makes another prompt"))
    if details.given_template is not None:
        rows.append(("", f"{details.given_template} is used in its place"))
    rows += [("", f"broken: {problem}") for problem in details.template_problems]
    if details.template_problems and details.given_template is None:
        key = f"models.{details.model.id}.chat_template"
        rows.append(("", f"another for good: localai config set {shlex.quote(key)} FILE"))
    return rows


def _files(details: ModelDetails) -> list[tuple[str, str]]:
    if len(details.files) > 4 and details.model.path is not None:
        files = f"{counted(len(details.files), 'file')}, {bytes_text(details.size_bytes)}"
        return [("folder", f"{details.model.path} ({files})")]
    return [
        ("file" if number == 0 else "", f"{file} ({bytes_text(file.stat().st_size)})")
        for number, file in enumerate(details.files)
    ]


def _other_names(details: ModelDetails) -> list[tuple[str, str]]:
    names = [
        f"{place.name} ({STORE_NAMES[place.store]})"
        for place in details.places
        if place.name != details.model.id
    ]
    return [("also", ", ".join(names))]


def _memory(table: tuple[MemoryAt, ...]) -> list[tuple[str, str]]:
    """A line for each context, with the totals by type of keys and values."""
    rows: list[tuple[str, str]] = []
    for context in dict.fromkeys(at.need.context_tokens for at in table):
        first, *others = [at for at in table if at.need.context_tokens == context]
        smaller = [f"{bytes_text(at.need.total_bytes)} with {at.kv_type} KV" for at in others]
        amounts = ", ".join([bytes_text(first.need.total_bytes), *smaller])
        rows.append(("" if rows else "memory", f"{count_text(context)} tokens: {amounts}"))
    if table:
        engine = all(at.need.basis == "engine" for at in table)
        rows.append(("", "by the engine itself" if engine else "by a formula"))
    return rows


def _speed(speed: SpeedRange) -> str:
    if speed.expected is None:
        return f"unknown: {speed.basis}"
    return f"{speed_text(speed)}, by {speed.basis}"

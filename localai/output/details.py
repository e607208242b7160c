"""A model on one screen: what it is, where it lies, what it takes, how fast it would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localai.output.model_table import STORE_NAMES
from localai.output.speed import speed_text
from localai.stores.describe import parameters_text
from localai.units import UNKNOWN, bytes_text, count_text

if TYPE_CHECKING:
    from localai.library.details import MemoryAt, Sheet
    from localai.sizing.speed import SpeedRange


def sheet_facts(
    sheet: Sheet, table: tuple[MemoryAt, ...], speed: SpeedRange
) -> list[tuple[str, str]]:
    """All of it for a person: what stands for each name; what is unknown is left out."""
    model = sheet.model
    rows = [
        ("model", model.id),
        ("title", sheet.title),
        ("architecture", _architecture(sheet)),
        ("parameters", _parameters(sheet)),
        ("quantization", model.quantization),
        ("context", f"{model.context_limit:,} tokens" if model.context_limit else None),
        ("capabilities", ", ".join(sorted(model.capabilities or ()))),
        ("tokenizer", _tokenizer(sheet)),
        ("template", _template(sheet)),
        ("system", model.system_prompt),
        ("license", sheet.license),
        *_files(sheet),
        *_other_names(sheet),
        ("zone", f"{'unproven' if model.zone is None else model.zone.label}: {model.evidence}"),
        *_memory(table),
        ("speed", _speed(speed)),
    ]
    return [(name, text) for name, text in rows if text]


def _architecture(sheet: Sheet) -> str | None:
    if sheet.architecture is None:
        return None
    parts = [sheet.architecture]
    if sheet.layers:
        parts.append(f"{sheet.layers} layers")
    if sheet.embedding:
        parts.append(f"width {sheet.embedding:,}")
    if sheet.experts is not None:
        parts.append(f"{sheet.experts[1] or UNKNOWN} of {sheet.experts[0]} experts a token")
    return ", ".join(parts)


def _parameters(sheet: Sheet) -> str | None:
    count = sheet.parameter_count
    return sheet.model.parameters if count is None else f"{parameters_text(count)} ({count:,})"


def _tokenizer(sheet: Sheet) -> str | None:
    if sheet.tokenizer is None:
        return None
    return f"{sheet.tokenizer}, {count_text(sheet.vocabulary)} tokens"


def _template(sheet: Sheet) -> str | None:
    if sheet.facts is None:
        return None
    if sheet.template is None:
        return "none: it is a base model, which continues texts"
    return f"{len(sheet.template):,} characters (--template shows it)"


def _files(sheet: Sheet) -> list[tuple[str, str]]:
    if len(sheet.files) > 4 and sheet.model.path is not None:
        files = f"{len(sheet.files)} files, {bytes_text(sheet.size_bytes)}"
        return [("folder", f"{sheet.model.path}, {files}")]
    return [
        ("file" if number == 0 else "", f"{file}, {bytes_text(file.stat().st_size)}")
        for number, file in enumerate(sheet.files)
    ]


def _other_names(sheet: Sheet) -> list[tuple[str, str]]:
    names = [
        f"{place.name} ({STORE_NAMES[place.store]})"
        for place in sheet.places
        if place.name != sheet.model.id
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

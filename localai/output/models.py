"""Models for a person: the library as a table, one model on one screen, the same bytes twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from localai.output.output import Output
from localai.output.table import Column, Row
from localai.providers.registry import full_name
from localai.stores.describe import parameters_text
from localai.units import UNKNOWN, bytes_text, count_text

if TYPE_CHECKING:
    from localai.library.available import AvailableModel
    from localai.library.details import MemoryAt, Sheet
    from localai.library.duplicates import Copy, Duplicate
    from localai.sizing.speed import SpeedRange

STORE_NAMES: Final[Mapping[str, str]] = {
    "localai": "localai",
    "ollama": "ollama",
    "lmstudio": "lmstudio",
    "huggingface": "hub cache",
}
_COLUMNS: Final = (
    Column("name"),
    Column("where"),
    Column("size", right=True),
    Column("quantization", drop=1, label="quant"),
    Column("parameters", drop=4, label="params", right=True),
    Column("context", drop=2, right=True),
    Column("used by", drop=3),
    Column("zone", drop=5),
)


def print_models(models: Sequence[AvailableModel], output: Output) -> None:
    """The table on stdout. In a pipe a model's places stand together in one cell."""
    columns: Sequence[Column] = _COLUMNS
    if any(_zone(each) != "device" for each in models):
        # What is not this machine is never left out.
        columns = tuple(replace(each, drop=0) if each.name == "zone" else each for each in columns)
    output.table(columns, [_row(each, piped=not output.on_terminal) for each in models])


def _row(listed: AvailableModel, *, piped: bool) -> Row:
    model = listed.model
    (name, where), *others = _names(listed)
    engines = [f"{each}*" if each in listed.loaded_by else each for each in listed.engines]
    cells = [
        full_name(model.provider, model.id) if piped else name,
        _places(listed) if piped else where,
        bytes_text(model.size_bytes),
        model.quantization or UNKNOWN,
        model.parameters or UNKNOWN,
        count_text(model.context_limit),
        ", ".join(engines) or UNKNOWN,
        _zone(listed),
    ]
    rest = [""] * (len(cells) - 2)
    return Row(cells, under=[[f"= {name}", where, *rest] for name, where in others])


def _names(listed: AvailableModel) -> list[tuple[str, str]]:
    """Each name of the model, and where it has it."""
    if not listed.places:
        return [(full_name(listed.model.provider, listed.model.id), listed.model.provider)]
    return [(place.name, STORE_NAMES[place.store]) for place in listed.places]


def _places(listed: AvailableModel) -> str:
    """`ollama,localai=other-name`: the stores, with the name where that is another one."""
    if not listed.places:
        return listed.model.provider
    first = listed.places[0].name
    return ",".join(
        place.store if place.name == first else f"{place.store}={place.name}"
        for place in listed.places
    )


def _zone(listed: AvailableModel) -> str:
    return "unproven" if listed.model.zone is None else listed.model.zone.label


# One model on one screen.


def sheet_facts(
    sheet: Sheet, table: tuple[MemoryAt, ...], speed: SpeedRange
) -> list[tuple[str, str]]:
    """All of it for a person: what stands for each name; what is unknown is left out."""
    model = sheet.model
    rows = [
        ("model", full_name(model.provider, model.id)),
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


# The same bytes twice.


def print_duplicates(found: Sequence[Duplicate], output: Output) -> None:
    """Each group on stdout: its size, what stays, what would be linked, and what not and why."""
    for duplicate in found:
        count = len({copy.inode for copy in (duplicate.kept, *(s.copy for s in duplicate.steps))})
        size = bytes_text(duplicate.size_bytes)
        output.line(f"{size}, {count} times ({duplicate.digest.removeprefix('sha256:')[:12]})")
        output.line(f"  stays  {_copy_text(duplicate.kept)}")
        for step in duplicate.steps:
            output.line(
                f"  {'link ' if step.refused is None else 'no   '}  {_copy_text(step.copy)}"
            )
            if step.refused is not None:
                output.line(f"         {step.refused}")


def _copy_text(copy: Copy) -> str:
    names = ", ".join(dict.fromkeys(copy.names))
    return f"{names} ({STORE_NAMES[copy.store]})"


# A predicted speed.


def speed_text(speed: SpeedRange) -> str:
    """`16–26 tok/s`, or a dash where it is unknown."""
    if speed.low is None or speed.high is None:
        return UNKNOWN
    return f"{_rate_text(speed.low)}–{_rate_text(speed.high)} tok/s"


def _rate_text(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 3 else f"{rate:.1f}"

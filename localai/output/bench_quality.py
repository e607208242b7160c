"""What quantizations cost in quality, for a person: a table below the one of speeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from localai.output.bench_figures import number_text, percent_text, rate_text
from localai.output.table import Column
from localai.units import UNKNOWN, counted

if TYPE_CHECKING:
    from localai.bench.cell import Cell
    from localai.bench.quality import Quality
    from localai.output.output import Output

QUALITY_COLUMNS: Final = (
    Column("model"),
    Column("perplexity", right=True, drop=1),
    Column("more than reference", right=True),
    Column("KL mean", right=True),
    Column("KL p99", right=True, drop=2),
    Column("same top token", right=True),
)


def show_quality(output: Output, cells: Sequence[Cell]) -> None:
    """The table, if quality was asked for, and what it rests on."""
    rows = list(quality_rows(cells))
    lines = list(quality_remarks(cells))
    if rows:
        output.line("")
        output.table(QUALITY_COLUMNS, rows)
    for text in lines:
        output.paragraph(text, style="dim")


def quality_rows(cells: Sequence[Cell]) -> Iterator[list[str]]:
    """A row for each model whose quality is known, a cell for each of `QUALITY_COLUMNS`."""
    for name, quality in _each(cells):
        if quality.perplexity is None:
            continue
        same = quality.same_top
        yield [
            name,
            rate_text(quality.perplexity),
            _beside_text(quality),
            UNKNOWN if quality.divergence is None else _small_text(quality.divergence.value),
            UNKNOWN if quality.divergence_p99 is None else _small_text(quality.divergence_p99),
            UNKNOWN if same is None else f"{same.value:.1%}",
        ]


def quality_remarks(cells: Sequence[Cell]) -> Iterator[str]:
    """What the figures rest on, and why one is missing."""
    for name, quality in _each(cells):
        if quality.unavailable is not None:
            yield f"quality of {name}: {quality.unavailable}"
    known = [quality for _, quality in _each(cells) if quality.perplexity is not None]
    if not known:
        return
    floor = next((each.floor for each in known if each.floor is not None), None)
    text = f"quality: {counted(known[0].tokens, 'token')} of bundled texts, KL in nats a token"
    if floor is not None:
        text += f"; the reference beside itself: {_small_text(max(0.0, floor))}"
    yield text


def _each(cells: Sequence[Cell]) -> Iterator[tuple[str, Quality]]:
    """Each model once, in each type of its keys and values, if there are several of these."""
    types = {cell.settings.get("kv_type") for cell in cells}
    seen: set[str] = set()
    for cell in cells:
        name = cell.model
        if len(types) > 1:
            name += f", kv_type {cell.settings.get('kv_type', 'of its own')}"
        if cell.quality is not None and name not in seen:
            seen.add(name)
            yield name, cell.quality


def _beside_text(quality: Quality) -> str:
    if quality.loss is None:
        return UNKNOWN if quality.unavailable else "reference"
    change = quality.loss
    if change.low is None or change.high is None:
        return percent_text(change.value)
    bounds = f"{percent_text(change.low)} to {percent_text(change.high)}"
    return f"{percent_text(change.value)} ({bounds})"


def _small_text(value: float) -> str:
    return f"{value:.4f}" if value < 1 else number_text(value)

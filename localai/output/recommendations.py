"""A ranked choice of models: a row of figures for each, and the reason below it."""

from __future__ import annotations

from collections.abc import Sequence

from localai.output.models import speed_text
from localai.output.output import Output
from localai.output.table import Column, Row
from localai.recommend.ranking import Recommendation
from localai.units import UNKNOWN, bytes_text

_COLUMNS = (
    Column("model"),
    Column("speed"),
    Column("memory", right=True),
    Column("context", right=True),
    Column("disk", right=True),
    Column("quantization", only_piped=True),
    Column("license", only_piped=True),
    Column("fits", only_piped=True),
    Column("why", only_piped=True),
)


def print_recommendations(found: Sequence[Recommendation], output: Output) -> None:
    """`found` in its order; a model that does not fit is dim."""
    output.table(_COLUMNS, [_row(each) for each in found])


def _row(found: Recommendation) -> Row:
    cells = (
        found.pull_name,
        speed_text(found.speed),
        bytes_text(found.memory_bytes),
        _tokens(found.context_tokens),
        bytes_text(found.quantization.size_bytes),
        found.quantization.quantization,
        found.entry.license,
        "yes" if found.fits else "no",
        found.why,
    )
    return Row(cells, below=_reason(found), dim=not found.fits)


def _reason(found: Recommendation) -> str:
    parts = [found.why, found.quantization.quantization, found.entry.license]
    if found.fits:
        parts.append(f"{bytes_text(found.headroom_bytes)} of memory to spare")
    if found.speed.confidence == "measured":
        parts.append(f"speed by {found.speed.basis}")
    if found.installed:
        parts.append("on this machine already")
    return "; ".join(parts)


def _tokens(count: int | None) -> str:
    return UNKNOWN if count is None else f"{count // 1024}k" if count >= 1024 else str(count)

"""A ranked choice of models: a row of figures for each, and the reason below it."""

from __future__ import annotations

from collections.abc import Sequence

from localai.output.output import Output
from localai.output.speed import speed_text
from localai.output.table import Column, Row
from localai.recommend.catalogue import Entry
from localai.recommend.kept_hub import KeptHub
from localai.recommend.ranking import Recommendation
from localai.units import UNKNOWN, bytes_text, counted, day_and_minute

_COLUMNS = (
    Column("model"),
    Column("speed"),
    Column("memory", right=True),
    Column("context", right=True),
    Column("disk", right=True),
    Column("quantization", only_piped=True),
    Column("license", only_piped=True),
    Column("fits", only_piped=True),
    Column("source", only_piped=True),
    Column("why", only_piped=True),
)


def print_recommendations(found: Sequence[Recommendation], output: Output) -> None:
    """`found` in its order; a model that does not fit is dim."""
    output.table(_COLUMNS, [_row(each) for each in found])


def hub_notes(kept: KeptHub, new: int) -> list[str]:
    """What to say of what the hub was found to have; `new` models of it are not in the
    catalogue."""
    day = day_and_minute(kept.asked_at).partition(" ")[0]
    counts = (
        (len(kept.models) - new, "that it has or no engine here reads"),
        (kept.too_large, "too large for the machine that asked"),
        (len(kept.unread), "not read (--json says why)"),
    )
    others = ", ".join(f"{count} {which}" for count, which in counts if count)
    found = f"{counted(new, 'model')} of {kept.server} that the catalogue has not, asked {day}"
    notes = [f"{found}; besides {others}" if others else found]
    notes += [f"not asked about: {each.name}: {each.reason}" for each in kept.unasked]
    if not kept.whole:
        notes.append("the asking was broken off: localai recommend --online asks again")
    return notes


def _row(found: Recommendation) -> Row:
    cells = (
        found.pull_name,
        speed_text(found.speed),
        bytes_text(found.memory_bytes),
        _tokens(found.context_tokens),
        bytes_text(found.quantization.size_bytes),
        found.quantization.quantization,
        found.entry.license or UNKNOWN,
        "yes" if found.fits else "no",
        "catalogue" if isinstance(found.entry, Entry) else "hub",
        found.why,
    )
    return Row(cells, below=_reason(found), dim=not found.fits)


def _reason(found: Recommendation) -> str:
    parts = [found.why, found.quantization.quantization]
    parts.append(found.entry.license or "no licence named")
    if found.fits:
        parts.append(f"{bytes_text(found.headroom_bytes)} of memory to spare")
    if found.speed.confidence == "measured":
        parts.append(f"speed by {found.speed.basis}")
    if found.installed:
        parts.append("on this machine already")
    return "; ".join(parts)


def _tokens(count: int | None) -> str:
    return UNKNOWN if count is None else f"{count // 1024}k" if count >= 1024 else str(count)

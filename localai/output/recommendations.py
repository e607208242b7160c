"""A ranked choice of models: a line of figures each, and below it why; as wide as the terminal."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence

from localai.output.speed import speed_text
from localai.output.streams import color_wanted, is_terminal, print_table, width
from localai.output.units import UNKNOWN, bytes_text
from localai.recommend.ranking import Recommendation

_COLUMNS = ("model", "speed", "memory", "context", "disk")
_INDENT = "    "


def print_recommendations(found: Sequence[Recommendation]) -> None:
    """Print `found` on stdout in its order: drawn on a terminal, tab-separated in a pipe."""
    if not is_terminal(sys.stdout):
        columns = (*_COLUMNS, "quantization", "license", "fits", "why")
        print_table(columns, [[*_figures(each), *_rest(each)] for each in found])
        return
    rows = [_figures(each) for each in found]
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    stacked = sum(widths) + 2 * (len(widths) - 1) > width()
    if stacked:
        # A long name gets a line of its own.
        widths[0] = len(_INDENT) - 2
    print(_dim(_line(("", *_COLUMNS[1:]) if stacked else _COLUMNS, widths)))
    for each, row in zip(found, rows, strict=True):
        if stacked:
            print(_shown(row[0], each))
            row = ("", *row[1:])
        print(_shown(_line(row, widths), each))
        room = max(20, width() - len(_INDENT))
        for line in textwrap.wrap(_reason(each), room, break_on_hyphens=False):
            print(_dim(_INDENT + line))


def _figures(found: Recommendation) -> tuple[str, ...]:
    return (
        found.pull_name,
        speed_text(found.speed),
        bytes_text(found.memory_bytes),
        _tokens(found.context_tokens),
        bytes_text(found.quantization.size_bytes),
    )


def _rest(found: Recommendation) -> tuple[str, ...]:
    return (
        found.quantization.quantization,
        found.entry.license,
        "yes" if found.fits else "no",
        found.why,
    )


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


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (cell.ljust(size) for cell, size in zip(cells, widths, strict=True))
    return "  ".join((first, *others)).rstrip()


def _shown(text: str, found: Recommendation) -> str:
    return text if found.fits else _dim(text)


def _dim(text: str) -> str:
    return f"\x1b[2m{text}\x1b[0m" if color_wanted(sys.stdout) else text

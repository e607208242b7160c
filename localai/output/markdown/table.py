"""A table in the available columns: as it is, with wrapped cells, or as records.

No frames: two spaces between columns and a rule under the header, so that a copied column is text.
Pure; rich is imported on first use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from localai.output.markdown.wrapping import wrap

if TYPE_CHECKING:
    from rich.text import Text

    from localai.output.markdown.blocks import Alignment

_GAP = 2
_MIN_COLUMN = 10
"""Narrower wrapped columns are worse to read than a record for each row."""


def table_lines(
    rows: Sequence[Sequence[Text]], alignments: Sequence[Alignment], available: int
) -> list[Text]:
    """The lines of a table whose first row is the header, none longer than `available` cells,
    except for words that are longer."""
    widths = fit_widths([_width(column) for column in zip(*rows, strict=True)], available)
    if widths is None:
        return _records(rows, available)
    blocks = [_row_lines(row, alignments, widths) for row in rows]
    header, *body = blocks
    for line in header:
        line.stylize("bold")
    lines = [*header, _rule(widths)]
    wrapped = any(len(block) > 1 for block in body)
    for number, block in enumerate(body):
        if wrapped and number:
            lines.append(_text(""))
        lines += block
    return lines


def fit_widths(natural: Sequence[int], available: int) -> list[int] | None:
    """A width for each column: its natural one, or a fair share of what the narrow columns leave.

    None if the columns would be too narrow to read.
    """
    available -= _GAP * (len(natural) - 1)
    widths = [0] * len(natural)
    by_size = sorted(range(len(natural)), key=lambda column: natural[column])
    for position, column in enumerate(by_size):
        share = available // (len(by_size) - position)
        widths[column] = min(natural[column], share)
        available -= widths[column]
        if widths[column] < min(natural[column], _MIN_COLUMN):
            return None
    return widths


def _row_lines(
    row: Sequence[Text], alignments: Sequence[Alignment], widths: Sequence[int]
) -> list[Text]:
    cells = [wrap(cell, width) for cell, width in zip(row, widths, strict=True)]
    lines = []
    for number in range(max(len(cell) for cell in cells)):
        line = _text("")
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            piece = cell[number].copy() if number < len(cell) else _text("")
            piece.rstrip()
            piece.align(alignments[column], width)
            line.append_text(piece)
            line.append(" " * _GAP)
        line.rstrip()
        lines.append(line)
    return lines


def _records(rows: Sequence[Sequence[Text]], available: int) -> list[Text]:
    header, *body = rows
    lines: list[Text] = []
    for number, row in enumerate(body or [header]):
        if number:
            lines.append(_text(""))
        for name, cell in zip(header, row, strict=True):
            record = name.copy()
            record.stylize("bold")
            if body:
                record.append_text(_text(": ")).append_text(cell)
            first, *others = wrap(record, available - _GAP)
            lines += [first, *(_text(" " * _GAP).append_text(other) for other in others)]
    for line in lines:
        line.rstrip()
    return lines


def _rule(widths: Sequence[int]) -> Text:
    from rich.text import Text

    return Text((" " * _GAP).join("─" * width for width in widths), "dim")


def _text(plain: str) -> Text:
    from rich.text import Text

    return Text(plain)


def _width(column: Sequence[Text]) -> int:
    from rich.cells import cell_len

    return max(1, *(cell_len(line) for cell in column for line in cell.plain.split("\n")))

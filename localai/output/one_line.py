"""A text on one line of a list: harmless, without breaks, cut to its cells.

Rich is imported on first use.
"""

from __future__ import annotations

from localai.output.untrusted import sanitize


def one_line(text: str, columns: int) -> str:
    """`text` in at most `columns` cells, with an ellipsis where something was left out."""
    from rich.cells import cell_len, set_cell_size

    line = " ".join(sanitize(text[: 20 * max(columns, 1)]).split())
    if cell_len(line) <= columns:
        return line
    return set_cell_size(line, max(0, columns - 1)).rstrip() + "…"

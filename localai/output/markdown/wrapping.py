"""Styled text wrapped or folded to a number of cells, and as the bytes of a terminal.

Rich is imported on first use.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def wrap(text: Text, width: int) -> list[Text]:
    """Lines of at most `width` cells, broken at spaces where possible, without spaces at their
    ends."""
    lines = list(text.wrap(_console(), width, overflow="fold"))
    for line in lines:
        line.rstrip()
    return lines


def fold(text: Text, width: int) -> list[Text]:
    """`text`, one line, cut after every `width` cells; tabs become spaces."""
    from rich.cells import cell_len, chop_cells

    text = text.copy()
    text.expand_tabs(8)
    if cell_len(text.plain) <= width:
        return [text]
    offsets: list[int] = []
    for piece in chop_cells(text.plain, width)[:-1]:
        offsets.append(len(piece) + (offsets[-1] if offsets else 0))
    return list(text.divide(offsets))


def to_ansi(text: Text) -> str:
    """`text`, one line, with the escapes that begin and end its styles."""
    from rich.color import ColorSystem

    pieces: list[str] = []
    for segment in text.render(_console()):
        if segment.style:
            pieces.append(segment.style.render(segment.text, color_system=ColorSystem.STANDARD))
        else:
            pieces.append(segment.text)
    return "".join(pieces)


@cache
def _console() -> Console:
    """A console for Rich's wrapping and styles; nothing is ever printed on it."""
    import io

    from rich.console import Console

    return Console(file=io.StringIO())

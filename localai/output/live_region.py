"""The last rows of the terminal that still change, under text that is printed for good.

Each row is drawn with the terminal's automatic wrapping off. So it takes one screen row, however
wide the terminal draws an emoji, and the number of rows to move up is known. A frame is written at
once, between the marks of a synchronized update, and begins at the first row that differs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TextIO

from localai.dataclass import dataclass

_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
_WRAP_OFF, _WRAP_ON = "\x1b[?7l", "\x1b[?7h"
_UP, _ERASE_ROW, _ERASE_BELOW = "\x1b[A", "\x1b[K", "\x1b[J"


@dataclass(frozen=True, slots=True)
class Row:
    """A row as the terminal's bytes without a newline, and its width in cells."""

    ansi: str
    cells: int


class LiveRegion:
    """Draws on `stream`, a terminal of `columns()` cells. The cursor rests behind the last live
    row."""

    def __init__(self, stream: TextIO, columns: Callable[[], int]) -> None:
        self._stream = stream
        self._columns = columns
        self._drawn: list[Row] = []
        self._drawn_columns = columns()

    def draw(self, finished: Sequence[str], live: Sequence[Row]) -> None:
        """Print the `finished` lines for good in place of the region's first rows, and draw the new
        region below.

        A finished line may be longer than the screen is wide; a live row must not be.
        """
        if not finished and list(live) == self._drawn:
            return
        columns = self._columns()
        resized = columns != self._drawn_columns
        kept = 0 if resized else self._unchanged(finished, live)
        frame = [_BEGIN, self._way_back(kept, columns)]
        frame += [line + "\n" for line in finished[kept:]]
        rows = [row.ansi for row in live[max(0, kept - len(finished)) :]]
        if rows:
            frame += [_WRAP_OFF, "\n".join(rows), _WRAP_ON]
        frame.append(_END)
        self._stream.write("".join(frame))
        self._drawn, self._drawn_columns = list(live), columns
        self._stream.flush()

    def _unchanged(self, finished: Sequence[str], live: Sequence[Row]) -> int:
        """The number of rows at the region's top that need no change."""
        wanted = [*finished, *(row.ansi for row in live)]
        # The last row is always written again: it is where the cursor must end up.
        limit = min(len(self._drawn), len(wanted) - 1)
        kept = 0
        while kept < limit and self._drawn[kept].ansi == wanted[kept]:
            kept += 1
        return kept

    def _way_back(self, kept: int, columns: int) -> str:
        """The escapes that move from behind the last row to the start of row `kept` and erase
        everything from there on."""
        if not self._drawn:
            return ""
        if kept == len(self._drawn):
            return "\n"
        rows = self._drawn[kept:]
        up = len(rows) - 1
        if columns < self._drawn_columns and _terminal_reflows():
            up = sum(max(1, -(-row.cells // columns)) for row in rows) - 1
        if not up:
            return "\r" + _ERASE_ROW
        # Erase from the second row on, and then the first: tmux takes an erasure that begins in the
        # screen's top left corner for a cleared screen, and copies it into the history.
        to_second = f"\x1b[{up - 1}A" if up > 1 else ""
        return to_second + "\r" + _ERASE_BELOW + _UP + _ERASE_ROW


def _terminal_reflows() -> bool:
    """Whether a narrower window breaks long rows into more rows. xterm and the Linux console cut
    them instead."""
    if "TMUX" in os.environ:
        return True
    return "XTERM_VERSION" not in os.environ and os.environ.get("TERM") != "linux"

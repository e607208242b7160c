"""A terminal emulator as a stream: what was written, and what a person then sees."""

from __future__ import annotations

import io
import re

import pyte


class Screen(io.StringIO):
    """A text stream that is a terminal of `columns` by `rows` with endless scrollback."""

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__()
        self.columns, self.rows = columns, rows
        self.written = ""
        self._screen = pyte.HistoryScreen(columns, rows, history=100_000)
        # As the kernel does on output: a newline also returns.
        self._screen.set_mode(pyte.modes.LNM)
        self._stream = pyte.Stream(self._screen)

    def write(self, text: str) -> int:
        self.written += text
        self._stream.feed(text)
        return len(text)

    def isatty(self) -> bool:
        return True

    def resize(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._screen.resize(rows, columns)

    @property
    def lines(self) -> list[str]:
        """Scrollback and screen, without spaces at the ends of lines and empty lines at the end."""
        gone = ["".join(row[x].data for x in range(self.columns)) for row in self.history]
        lines = [line.rstrip() for line in [*gone, *self._screen.display]]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def history(self) -> list[pyte.screens.StaticDefaultDict[int, pyte.screens.Char]]:
        """The rows that have scrolled away."""
        return list(self._screen.history.top)

    @property
    def cursor(self) -> tuple[int, int]:
        return self._screen.cursor.x, self._screen.cursor.y

    @property
    def highest_climb(self) -> int:
        """The most rows that the cursor was ever moved up between two other writes."""
        climbs = re.findall(r"(?:\x1b\[(\d*)A)?\r\x1b\[J\x1b\[A|\x1b\[(\d*)A", self.written)
        return max((int(a or 0) + 1 if a or not b else int(b) for a, b in climbs), default=0)

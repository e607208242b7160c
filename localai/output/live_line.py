"""The one line at the end of the terminal that changes and leaves no trace.

Standard library only, because the line is shown while everything else is still loading. A terminal
that has gone away is no error.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Final, TextIO

from localai.output.cells import cells, cut
from localai.output.live_region import LiveRegion, Row

_REDRAW_S = 0.1
_PATIENCE_S = 0.2
"""A wait shorter than this shows nothing: a line that flashes up only disturbs."""
_DOTS = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_DASHES = "|/-\\"

Status = str | Callable[[], str]
"""What is waited for: a text, or what gives the text whenever the line is drawn."""


_open: Final[set[LiveLine]] = set()


def hide_live_lines() -> None:
    """Erase every live line that is shown, whoever shows it: the command has failed."""
    for each in tuple(_open):
        each.hide()


class LiveLine:
    """A line on the terminal `stream` of `columns()` cells. Threads may share it.

    Before you write to the same terminal, hide the line, or write through `print_above`.
    """

    def __init__(self, stream: TextIO, columns: Callable[[], int]) -> None:
        self._stream = stream
        self._columns = columns
        self._region = LiveRegion(stream, columns)
        self._lock = threading.RLock()
        self._row: Row | None = None
        self._drawn_at = 0.0
        self._status: _Status | None = None

    def show(self, text: str, *, at_once: bool = False, tail: str = "") -> None:
        """Show `text`, unless the line was drawn just now. With `at_once`, show it in any case.
        `tail` stands behind it whole, however narrow the terminal is."""
        _open.add(self)
        with self._lock:
            now = time.monotonic()
            if at_once or self._row is None or now - self._drawn_at >= _REDRAW_S:
                self._drawn_at = now
                line = cut(text, max(1, self._columns() - 1 - cells(tail))) + tail
                self._row = Row(line, cells(line))
                self._draw([])

    def wait_for(self, what: Status) -> None:
        """Show `what` with a spinner and the seconds since the first such call, until `hide`.

        A thread draws it. A very short wait shows nothing.
        """
        _open.add(self)
        if self._status is None:
            self._status = _Status(self, what, _is_utf8(self._stream))
        else:
            self._status.what = what

    def print_above(self, line: str) -> None:
        """Print `line` for good, above the live line if one is shown."""
        with self._lock:
            self._draw([line])

    def hide(self) -> None:
        """Erase the line. After this call, nothing of it is drawn until the next `show`."""
        _open.discard(self)
        status, self._status = self._status, None
        if status is not None:
            status.end()
        with self._lock:
            if self._row is not None:
                self._row = None
                self._draw([])

    def _draw(self, finished: list[str]) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._region.draw(finished, [] if self._row is None else [self._row])


class _Status:
    """The thread that keeps a spinner turning."""

    def __init__(self, line: LiveLine, what: Status, utf8: bool) -> None:
        self.what = what
        self._line = line
        self._spinner = _DOTS if utf8 else _DASHES
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live line", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        pause = _PATIENCE_S
        frame = 0
        while not self._ended.wait(pause):
            spinner = self._spinner[frame % len(self._spinner)]
            seconds = time.monotonic() - self._started
            what = self.what if isinstance(self.what, str) else self.what()
            self._line.show(f"{spinner} {what}", at_once=True, tail=f" {seconds:.1f} s")
            frame, pause = frame + 1, _REDRAW_S


def _is_utf8(stream: TextIO) -> bool:
    return (stream.encoding or "ascii").lower().replace("-", "") == "utf8"

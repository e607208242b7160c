"""One line on stderr that says what is being waited for, and vanishes without a trace.

Standard library only: it is shown while everything else is still loading.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TextIO

_PATIENCE_S = 0.2
"""A wait shorter than this shows nothing: a line that flashes up only disturbs."""
_FRAME_S = 0.1
_DOTS = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ERASE = "\r\x1b[K"


class StatusLine:
    """Shows a message with a spinner and the seconds since the first one, on a terminal.

    The line is drawn by a thread that ends when the line is hidden; a terminal that has gone
    away is no error.
    """

    def __init__(self, stream: TextIO, columns: Callable[[], int]) -> None:
        self._stream = stream
        self._columns = columns
        self._message: str | None = None
        self._visible = False
        self._started = 0.0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def show(self, message: str) -> None:
        """Show `message`, or change to it; the clock goes on."""
        with self._lock:
            self._message = message
        if self._thread is None:
            self._started = time.monotonic()
            self._wake.clear()
            self._thread = threading.Thread(target=self._run, name="status line", daemon=True)
            self._thread.start()

    def hide(self) -> None:
        """Erase the line. When this returns nothing of it will be drawn any more."""
        thread = self._thread
        if thread is None:
            return
        self._thread = None
        self._wake.set()
        thread.join()
        if self._visible:
            self._visible = False
            self._stream.write(_ERASE)
            self._stream.flush()

    def _run(self) -> None:
        if self._wake.wait(_PATIENCE_S):
            return
        frame = 0
        while True:
            try:
                self._draw(frame)
            except (OSError, ValueError):
                return
            frame += 1
            if self._wake.wait(_FRAME_S):
                return

    def _draw(self, frame: int) -> None:
        with self._lock:
            message = self._message
        encoding = (self._stream.encoding or "ascii").lower().replace("-", "")
        spinner = _DOTS[frame % len(_DOTS)] if encoding == "utf8" else r"|/-\\"[frame % 4]
        line = f"{spinner} {message} {time.monotonic() - self._started:.1f} s"
        self._visible = True
        self._stream.write(_ERASE + line[: max(1, self._columns() - 1)])
        self._stream.flush()

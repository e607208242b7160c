"""Ctrl-C in a session: once stops what runs, twice quickly leaves."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_QUICKLY_S = 1.0


class Interrupts:
    """Counts Ctrl-C, at the prompt and while something runs."""

    def __init__(self) -> None:
        self._last_at = float("-inf")
        self.leave = False

    def pressed(self) -> None:
        """Ctrl-C came; `leave` is set if one came less than a second before."""
        now = time.monotonic()
        self.leave = self.leave or now - self._last_at < _QUICKLY_S
        self._last_at = now

    def cleared(self) -> None:
        """Ctrl-C cleared a line: it leaves nothing by itself, but may be the first of two."""
        self._last_at = time.monotonic()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While this is open the first Ctrl-C raises KeyboardInterrupt, and others are only
        counted: they must not tear the tidying apart that the first one began."""
        raised = False

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            nonlocal raised
            self.pressed()
            if not raised:
                raised = True
                raise KeyboardInterrupt

        before = signal.signal(signal.SIGINT, on_signal)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

"""Ctrl-C in a session: once stops what runs, twice quickly leaves.

For as long as a session runs, the signal is ours. It raises only where something waits to be
stopped; in the moments between, and while the tidying after a stop is under way, it is counted.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_QUICKLY_S = 1.0


class Interrupts:
    """Counts Ctrl-C, whether it comes as a key at the prompt or as a signal."""

    def __init__(self) -> None:
        self.leave = False
        self._last_at = float("-inf")
        self._raises = False

    def begin(self) -> None:
        """Take the signal over, for the rest of this process."""
        signal.signal(signal.SIGINT, self._on_signal)

    def end(self) -> None:
        """The session is left: one more Ctrl-C must not tear its end apart.

        Python takes its own handlers back while it ends, and a signal would kill it then; that
        signals are ignored stays.
        """
        signal.signal(signal.SIGINT, signal.SIG_IGN)

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
        """While this is open the first Ctrl-C raises KeyboardInterrupt."""
        before, self._raises = self._raises, True
        try:
            yield
        finally:
            self._raises = before

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.pressed()
        if self._raises:
            self._raises = False
            raise KeyboardInterrupt

"""Ctrl-C in a session: once stops what runs, twice quickly leaves.

As long as a session runs, it handles the signal. The signal raises only while something can be
stopped; between, and during the tidying after a stop, it is only counted.
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
        """Handle the signal from now on, for the rest of this process."""
        signal.signal(signal.SIGINT, self._on_signal)

    def end(self) -> None:
        """Ignore the signal from now on: the session is ending, and one more Ctrl-C must not
        interrupt that.

        Python takes its own handlers back while it ends, and a signal would kill it then. An
        ignored signal stays ignored.
        """
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def pressed(self) -> None:
        """Note a Ctrl-C; `leave` is set if another came less than a second before."""
        now = time.monotonic()
        self.leave = self.leave or now - self._last_at < _QUICKLY_S
        self._last_at = now

    def cleared(self) -> None:
        """Note a Ctrl-C that cleared a line: by itself it leaves nothing, but it may be the first
        of two."""
        self._last_at = time.monotonic()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While the block runs, the first Ctrl-C raises KeyboardInterrupt."""
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

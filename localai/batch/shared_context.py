"""A context that requests share: nobody is let in who would make it overflow.

The embedded engine drops *everything* that it is computing when its shared context is full, so
the sum of what is under way stays below it, by an estimate; the answer to an estimate that was
too low is to be alone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Closed(Exception):
    """Nobody is let in any more."""


class Room:
    """`tokens` of context to share, first come, first served; None is without a limit."""

    def __init__(self, tokens: int | None = None) -> None:
        self._tokens = tokens
        self._used = 0
        self._closed = False
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def share(self, tokens: int | None) -> Iterator[None]:
        """Use `tokens` of it during the block, or all of it (None). Raises Closed."""
        if self._tokens is None:
            yield
            return
        wanted = self._tokens if tokens is None else min(tokens, self._tokens)
        self._enter(wanted, self._tokens)
        try:
            yield
        finally:
            with self._changed:
                self._used -= wanted
                self._changed.notify_all()

    def close(self) -> None:
        """Send away whoever waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _enter(self, wanted: int, tokens: int) -> None:
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                self._changed.wait_for(
                    lambda: (
                        self._closed or (self._queue[0] is ticket and self._used + wanted <= tokens)
                    )
                )
                if self._closed:
                    raise Closed
                self._used += wanted
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()

"""A context that requests share: nobody is let in who would make it overflow.

The embedded engine drops *everything* that it is computing when its shared context is full, so
the sum of what is under way stays below it, by an estimate; the answer to an estimate that was
too low is to be alone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from localai.types import ChatRequest

# Text has about four bytes a token, figures and rare scripts fewer.
_BYTES_PER_TOKEN = 2
_TEMPLATE_TOKENS = 64
_IMAGE_TOKENS = 2048
_ANSWER_TOKENS = 512
_STEP_TOKENS = 256


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


def tokens_needed(request: ChatRequest) -> int:
    """About how much context the request and its answer take, rather too much than too little."""
    prompt = sum(
        len(message.text.encode()) // _BYTES_PER_TOKEN
        + len(message.images) * _IMAGE_TOKENS
        + _TEMPLATE_TOKENS
        for message in request.messages
    )
    needed = prompt + (request.options.max_tokens or _ANSWER_TOKENS)
    return min(needed, request.model.context_limit or needed)


def tokens_to_share(requests: Sequence[ChatRequest], at_once: int) -> int:
    """A context in which `at_once` of such requests have room together, and each one alone."""
    needs = [tokens_needed(request) for request in requests]
    shared = max(*needs, at_once * sum(needs) // len(needs))
    return -(-shared // _STEP_TOKENS) * _STEP_TOKENS

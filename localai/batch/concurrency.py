"""How many requests a provider gets at once, and the context that they may share.

The embedded engine drops *everything* that it is computing when its shared context is full. So the
estimated sum of all requests under way stays below it. If an estimate was too low, the request is
asked once more, alone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from localai.errors import ContextOverflow, InsufficientResources, LocalaiError, Unreachable
from localai.providers.registry import facts_of
from localai.sizing.context import generous_context, shared_context
from localai.types import ChatRequest

if TYPE_CHECKING:
    from localai.chat.select import SelectedModel
    from localai.config import Config

_PAUSE_S = 1.0


class Attempt(Protocol):
    """The result of a request that was made."""

    @property
    def error(self) -> LocalaiError | None:
        """Why there is no answer; None if there is one."""


_Attempt = TypeVar("_Attempt", bound=Attempt)


def allowed_concurrency(provider: str, asked: int | None, config: Config) -> int:
    """`asked` if it is set, else the config's number for the provider, else the number in its
    facts."""
    facts = facts_of(provider, config)
    if asked is not None:
        return min(asked, facts.most_concurrent or asked)
    key = facts.concurrency_setting
    if key is not None and config.values[key].origin != "default":
        return int(config[key])
    return facts.concurrency


def make_ready(
    chosen: SelectedModel, concurrency: int, sample: Sequence[ChatRequest]
) -> tuple[int, SharedContext]:
    """How many requests like those of `sample` the provider takes at once, fewer if memory is
    short, and the context that they share. Raises what loading the model raises."""
    while True:
        try:
            shared = chosen.provider.prepare(
                sample[0], concurrency, shared_context(sample, concurrency)
            )
        except ContextOverflow:
            raise
        except InsufficientResources:
            if concurrency == 1:
                raise
            concurrency //= 2
        else:
            return concurrency, SharedContext(shared)


class Closed(Exception):
    """Raised to a waiter when the context is closed."""


class SharedContext:
    """`tokens` of context to share, first come, first served. None is without a limit."""

    def __init__(self, tokens: int | None = None) -> None:
        self._tokens = tokens
        self._used = 0
        self._closed = False
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def share(self, tokens: int | None) -> Iterator[None]:
        """Use `tokens` of the context during the block, or all of it (None). Raises Closed."""
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
        """End the waiting of all who wait, and let no one else in."""
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


def once_more_alone(
    attempt: Callable[[], _Attempt | None],
    request: ChatRequest,
    context: SharedContext,
    stopping: threading.Event,
) -> _Attempt | None:
    """The result of the request; None if it was stopped.

    A provider that breaks off is asked again, alone: another request may have caused the failure,
    or the context was too small for all.
    """
    for alone in (False, True):
        try:
            with context.share(None if alone else generous_context(request)):
                came = attempt()
        except Closed:
            return None
        if came is None or alone or not isinstance(came.error, Unreachable):
            return came
        if stopping.wait(_PAUSE_S):
            return None
    return came

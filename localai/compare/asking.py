"""One question to one model, timed from outside: the loading by itself, then the time to the first
visible token.

Nothing is shown or kept here, and an answer is never taken from an earlier one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from localai.answers import Answer, PartialAnswer, gather
from localai.dataclass import dataclass
from localai.errors import (
    ContextOverflow,
    InsufficientResources,
    LocalaiError,
    as_error,
    find_localai_error,
)
from localai.events import Event, Loading, TextDelta
from localai.loops import without_loops
from localai.types import ChatRequest

if TYPE_CHECKING:
    from localai.compare.contestants import Contestant

OnEvent = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's reply to a question: an `answer`, or an `error` with the part of the answer that
    came before it (`partial`).

    `load_s` are the seconds of loading before the clock started; None if nothing was loaded.
    `time_to_first_visible_s` is the time from the request to the first character of the answer that
    is no space, so it includes the reasoning. `asked_at` is in seconds since the epoch.
    `memory_bytes` is the memory of the model's worker.
    """

    model: str
    asked_at: float
    partial: PartialAnswer
    answer: Answer | None = None
    error: LocalaiError | None = None
    load_s: float | None = None
    time_to_first_visible_s: float | None = None
    memory_bytes: int | None = None


class Stopped(Exception):
    """The comparison was stopped, and nobody waits for the answer."""


def load(contestant: Contestant, request: ChatRequest, on_event: OnEvent) -> float | None:
    """Load the model, so that its answer does not wait for that, and return the seconds it took.

    None if the model was loaded already, or if the provider loads by itself. Raises what loading
    raises.
    """
    provider, model = contestant.selected.provider, contestant.selected.model
    if contestant.host is not None or provider.loaded(model):
        return None
    on_event(Loading("loading"))
    began = time.monotonic()
    provider.warm(request)
    return time.monotonic() - began if provider.loaded(model) else None


def ask(
    contestant: Contestant,
    request: ChatRequest,
    on_event: OnEvent,
    stopping: threading.Event,
    *,
    load_s: float | None = None,
) -> Reply | None:
    """The reply to `request`; None if `stopping` was set meanwhile. Never raises: an error is part
    of the reply."""
    first_visible: list[float] = []

    def take(event: Event) -> None:
        if stopping.is_set():
            raise Stopped
        if not first_visible and isinstance(event, TextDelta) and event.text.strip():
            first_visible.append(time.monotonic() - began)
        on_event(event)

    asked_at, began = time.time(), time.monotonic()
    partial = PartialAnswer(request.model)
    answer: Answer | None = None
    error: LocalaiError | None = None
    try:
        events = without_loops(contestant.selected.provider.stream(request), request)
        answer = gather(events, partial, take)
    except Stopped:
        return None
    except Exception as raised:  # noqa: BLE001  a failure is the reply; the other models go on
        error = as_error(raised)
    return Reply(
        contestant.name,
        asked_at,
        partial,
        answer,
        error,
        load_s,
        first_visible[0] if first_visible else None,
        None if answer is None else _memory(contestant, answer),
    )


def failed(contestant: Contestant, request: ChatRequest, error: Exception) -> Reply:
    """The reply of a model that could not be loaded."""
    partial = PartialAnswer(request.model)
    return Reply(contestant.name, time.time(), partial, error=as_error(error))


def lacks_room(error: BaseException) -> bool:
    """Whether the model could not be loaded for lack of memory, which unloading another model may
    free."""
    found = find_localai_error(error)
    return isinstance(found, InsufficientResources) and not isinstance(found, ContextOverflow)


def _memory(contestant: Contestant, answer: Answer) -> int | None:
    """The memory in bytes of the worker that holds only this model; None for a server that may hold
    more, or if it is unknown."""
    from localai.providers.registry import declared_facts

    process = answer.done.locality.process
    facts = declared_facts(contestant.selected.provider.name)
    if process is None or process.pid is None or facts.opens is None:
        return None
    import psutil

    with suppress(psutil.Error):
        return int(psutil.Process(process.pid).memory_info().rss)
    return None

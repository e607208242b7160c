"""One line's answer: asked, gathered, and asked once more where the provider broke off."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localai.batch.shared_context import Closed, Room, tokens_needed
from localai.errors import FinishedWithFailures, LocalaiError, Unreachable, find_localai_error
from localai.types import (
    ChatRequest,
    Done,
    Provider,
    ReasoningDelta,
    TextDelta,
)

if TYPE_CHECKING:
    from localai.chat.schema import Schema

_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Job:
    """A line that is to be answered."""

    number: int
    fingerprint: int
    id: Any
    request: ChatRequest
    schema: Schema | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a line: an answer (`done`), or an `error` and what had come before it; both
    where the answer breaks its schema."""

    number: int
    fingerprint: int
    id: Any
    text: str = ""
    reasoning: str = ""
    done: Done | None = None
    error: LocalaiError | None = None


def answer(job: Job, provider: Provider, room: Room, stopping: threading.Event) -> Outcome | None:
    """The outcome of a line; None if it was stopped. Never raises.

    A provider that breaks off is asked again, alone: it may have fallen over another line, or
    the room was too small for all.
    """
    pieces: list[str] = []
    thoughts: list[str] = []

    def outcome(done: Done | None, error: LocalaiError | None) -> Outcome:
        text, reasoning = "".join(pieces), "".join(thoughts)
        return Outcome(job.number, job.fingerprint, job.id, text, reasoning, done, error)

    for share in (tokens_needed(job.request), None):
        pieces.clear()
        thoughts.clear()
        try:
            with room.share(share):
                done = _gather(job.request, provider, pieces, thoughts, stopping)
            return None if done is None else outcome(done, _violation(job, "".join(pieces)))
        except Closed:
            return None
        except Unreachable as error:
            broken = outcome(None, error)
        except Exception as error:  # noqa: BLE001  a line's failure is its record, not the end
            return outcome(None, find_localai_error(error) or _bug(error))
        if stopping.wait(_PAUSE_S):
            return None
    return broken


def _violation(job: Job, text: str) -> LocalaiError | None:
    if job.schema is None:
        return None
    violation = job.schema.violation(text)
    if violation is None:
        return None
    return FinishedWithFailures(f"the answer breaks the schema: {violation}")


def _gather(
    request: ChatRequest,
    provider: Provider,
    pieces: list[str],
    thoughts: list[str],
    stopping: threading.Event,
) -> Done | None:
    """The end of the answer, its pieces gathered; None if it was stopped. Raises as `stream`."""
    with closing(provider.stream(request)) as events:  # type: ignore[type-var]
        for event in events:
            if stopping.is_set():
                return None
            if isinstance(event, TextDelta):
                pieces.append(event.text)
            elif isinstance(event, ReasoningDelta):
                thoughts.append(event.text)
            elif isinstance(event, Done):
                return event
    raise Unreachable(f"{request.model.provider} ended without an answer")


def _bug(error: Exception) -> LocalaiError:
    return LocalaiError(f"this is a bug in localai: {type(error).__name__}: {error}")

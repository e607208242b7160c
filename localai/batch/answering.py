"""One line's answer: asked, gathered, and asked once more where the provider broke off."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from localai.answers import Answer, PartialAnswer, gather
from localai.batch.concurrency import Closed, SharedContext
from localai.dataclass import dataclass
from localai.errors import FinishedWithFailures, LocalaiError, Unreachable, as_error
from localai.providers.provider import Provider
from localai.sizing.context import generous_context
from localai.types import ChatRequest, Event

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
    """What came of a line: an `answer`, or an `error` and what came before it (`partial`). Both are
    there where the answer breaks its schema."""

    number: int
    fingerprint: int
    id: Any
    partial: PartialAnswer
    answer: Answer | None = None
    error: LocalaiError | None = None


def answer(
    job: Job, provider: Provider, context: SharedContext, stopping: threading.Event
) -> Outcome | None:
    """The outcome of a line; None if it was stopped. Never raises.

    A provider that breaks off is asked again, alone: it may have fallen over another line, or
    the room was too small for all.
    """

    def stop_if_asked(_event: Event) -> None:
        if stopping.is_set():
            raise Closed

    for alone in (False, True):
        partial = PartialAnswer(job.request.model)
        outcome = Outcome(job.number, job.fingerprint, job.id, partial)
        try:
            with context.share(None if alone else generous_context(job.request)):
                whole = gather(provider.stream(job.request), partial, stop_if_asked)
            wrong = whole.refusal or _violation(job, whole.text)
            return replace(outcome, answer=whole, error=wrong)
        except Closed:
            return None
        except Unreachable as error:
            broken = replace(outcome, error=error)
        except Exception as error:  # noqa: BLE001  a line's failure is its record, not the end
            return replace(outcome, error=as_error(error))
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

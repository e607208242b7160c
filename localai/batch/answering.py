"""One line's answer: asked, gathered, and asked a second time if the provider broke off."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from localai.answers import Answer, PartialAnswer, gather
from localai.batch.concurrency import Closed, SharedContext, once_more_alone
from localai.dataclass import dataclass
from localai.errors import FinishedWithFailures, LocalaiError, as_error
from localai.events import Doubt, Event
from localai.loops import without_loops
from localai.providers.provider import Provider
from localai.types import ChatRequest

if TYPE_CHECKING:
    from localai.chat.schema import Schema


@dataclass(frozen=True, slots=True)
class Job:
    """A line to answer, and the request that it becomes."""

    number: int
    fingerprint: int
    id: Any
    request: ChatRequest
    schema: Schema | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a line: an `answer`, or an `error` with the `partial` answer before it.
    `answer` and `error` are both set if the answer breaks its `schema`."""

    number: int
    fingerprint: int
    id: Any
    partial: PartialAnswer
    answer: Answer | None = None
    error: LocalaiError | None = None
    schema: Schema | None = None

    def checked(self) -> Outcome:
        """The same, with an error if its answer breaks its schema. In the main thread only: a
        pattern may take for ever, and in another thread nothing could end it."""
        if self.schema is None or self.answer is None or self.error is not None:
            return self
        violation = self.schema.violation(self.answer.text)
        if violation is None:
            return self
        return replace(
            self, error=FinishedWithFailures(f"the answer breaks the schema: {violation}")
        )


def answer(
    job: Job,
    provider: Provider,
    context: SharedContext,
    stopping: threading.Event,
    doubt: Callable[[str], None],
) -> Outcome | None:
    """The outcome of a line; None if the batch was stopped meanwhile. Never raises. A request that
    the provider broke off is asked once more, alone: another line may have caused the failure.
    `doubt` is told what the provider has to say before it answers."""
    return once_more_alone(
        partial(_attempt, job, provider, stopping, doubt), job.request, context, stopping
    )


def _attempt(
    job: Job, provider: Provider, stopping: threading.Event, doubt: Callable[[str], None]
) -> Outcome:
    """The outcome of asking once. Raises Closed if the batch was stopped meanwhile."""

    def stop_if_asked(event: Event) -> None:
        if stopping.is_set():
            raise Closed
        if isinstance(event, Doubt):
            doubt(event.message)

    gathered = PartialAnswer(job.request.model)
    outcome = Outcome(job.number, job.fingerprint, job.id, gathered, schema=job.schema)
    try:
        events = without_loops(provider.stream(job.request), job.request)
        whole = gather(events, gathered, stop_if_asked)
        return replace(outcome, answer=whole, error=whole.refusal)
    except Closed:
        raise
    except Exception as error:  # noqa: BLE001  a line's failure is its record, not the end
        return replace(outcome, error=as_error(error))

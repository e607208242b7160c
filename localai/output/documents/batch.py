"""The documents of `localai batch`: a line of its output, and the summary on stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from localai.events import FinishReason
from localai.output.documents.answer import (
    CostDocument,
    LocalityDocument,
    TimingsDocument,
    UsageDocument,
    cost_document,
    locality_document,
    timings_document,
    usage_document,
    zone_name,
)
from localai.output.documents.failure import ErrorDocument, error_document
from localai.providers.registry import full_name
from localai.types import ZoneName

if TYPE_CHECKING:
    from localai.batch.answering import Outcome
    from localai.batch.progress import Progress
    from localai.cost.prices import Cost
    from localai.errors import LocalaiError
    from localai.types import ResolvedModel


class BatchRecord(TypedDict):
    """`localai batch`, a line of the output"""

    schema: Annotated[Literal["localai.batch/1"], "the name and version of the document"]
    line: Annotated[int, "the number of the input's line, from 1"]
    request: Annotated[
        str, "the fingerprint of the line's question, with everything that shapes the answer"
    ]
    id: Annotated[Any, "the `id` of the line, of any type"]
    model: Annotated[str, "the model that answered, as `-m` takes it"]
    provider: Annotated[str, "the provider that was asked"]
    zone: Annotated[ZoneName | None, "where it was computed; null is unproven"]
    text: Annotated[str | None, "the answer; of a failed line, as much of it as came"]
    reasoning: Annotated[str | None, "the model's reasoning"]
    finish_reason: Annotated[FinishReason | None, "why the answer ended; null if it was broken off"]
    usage: Annotated[UsageDocument | None, "token counts"]
    timings: Annotated[TimingsDocument | None, "times and rates"]
    locality: Annotated[LocalityDocument | None, "where the answer was computed, and the evidence"]
    cost: Annotated[CostDocument | None, "what the call cost"]
    context_tokens: Annotated[int | None, "the context that was really allocated, in tokens"]
    error: Annotated[ErrorDocument | None, "the error if no answer came or it is wrong, else null"]


class BatchSummary(TypedDict):
    """`localai batch --output FILE --json`"""

    schema: Annotated[Literal["localai.batch/1"], "the name and version of the document"]
    answered: Annotated[int, "lines that this run answered"]
    failed: Annotated[int, "lines that failed in this run"]
    found: Annotated[int, "lines whose records an earlier run had made"]
    found_failed: Annotated[int, "the failures among `found`"]
    cut: Annotated[int, "answers of this run that did not come to their own end"]
    looping: Annotated[int, "those of them that repeated themselves without end"]
    usage: Annotated[UsageDocument, "token counts of this run's answers, as far as they are known"]
    concurrency: Annotated[int, "the number of requests at once"]
    total_s: Annotated[float, "seconds since the first question"]
    error: Annotated[ErrorDocument | None, "the error if lines failed, else null"]


def record_document(outcome: Outcome, model: ResolvedModel, cost: Cost | None) -> BatchRecord:
    """The record of a line. `cost` is the cost of its answer; None if there is no answer."""
    answer = outcome.answer
    done = None if answer is None else answer.done
    return {
        "schema": "localai.batch/1",
        "line": outcome.number,
        "request": f"{outcome.fingerprint:016x}",
        "id": outcome.id,
        "model": full_name(model.provider, model.id),
        "provider": model.provider,
        "zone": None if done is None else zone_name(done.locality.zone),
        "text": outcome.partial.text or None if answer is None else answer.text,
        "reasoning": outcome.partial.reasoning or None,
        "finish_reason": None if done is None else done.finish_reason,
        "usage": None if done is None else usage_document(done.usage),
        "timings": None if done is None else timings_document(done.timings),
        "locality": None if done is None else locality_document(done.locality),
        "cost": None if cost is None else cost_document(cost),
        "context_tokens": None if done is None else done.context_tokens,
        "error": None if outcome.error is None else error_document(outcome.error),
    }


def summary_document(progress: Progress, error: LocalaiError | None) -> BatchSummary:
    """The document that a batch prints at its end. `error` says that lines failed."""
    return {
        "schema": "localai.batch/1",
        "answered": progress.answered,
        "failed": progress.failed,
        "found": progress.found,
        "found_failed": progress.found_failed,
        "cut": progress.cut,
        "looping": progress.looping,
        "usage": {
            "input_tokens": progress.input_tokens or None,
            "output_tokens": progress.output_tokens or None,
            "cached_tokens": None,
            "reasoning_tokens": None,
            "cache_write_tokens": None,
        },
        "concurrency": progress.concurrency,
        "total_s": progress.elapsed_s,
        "error": None if error is None else error_document(error),
    }

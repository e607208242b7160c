"""The documents of `localai compare`, and their making for one prompt and for `--drift`.

That of a suite is made in `compare_run`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

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
from localai.output.documents.figure import FigureDocument, figure_document
from localai.types import FinishReason, ZoneName

if TYPE_CHECKING:
    from localai.compare.asking import Reply
    from localai.compare.contestants import Contestant, PromptCount
    from localai.compare.drift import Drift
    from localai.cost.prices import Cost
    from localai.errors import LocalaiError

Outcome = Literal["answered", "passed", "failed", "censored", "error", "left_out"]


class ModelResultDocument(TypedDict):
    """What a model did."""

    model: Annotated[str, "as `-m` takes it"]
    provider: Annotated[str, "through which provider"]
    zone: Annotated[ZoneName | None, "where it was computed; null is unproven"]
    cases: Annotated[int, "questions that it was asked, repeats included"]
    passed: Annotated[int, "answers that were as expected"]
    failed: Annotated[int, "answers that were not"]
    censored: Annotated[int, "answers cut at their limit before they could be judged"]
    errors: Annotated[int, "questions without an answer"]
    pass_rate: Annotated[FigureDocument | None, "passed of passed and failed; null without such"]
    tokens_per_s: Annotated[FigureDocument | None, "answer tokens a second, the median"]
    time_to_first_visible_s: Annotated[
        FigureDocument | None, "from the request to a token that is no reasoning"
    ]
    cost: Annotated[CostDocument, "of all its answers"]


class PairDocument(TypedDict):
    """Two models on the cases that both answered."""

    a: Annotated[str, "one model"]
    b: Annotated[str, "the other"]
    only_a: Annotated[int, "cases that `a` alone passed"]
    only_b: Annotated[int, "cases that `b` alone passed"]
    both: Annotated[int, "cases that both passed"]
    neither: Annotated[int, "cases that neither passed"]
    p_value: Annotated[float, "McNemar's exact test, adjusted for the number of pairs (Holm)"]
    cases_needed: Annotated[int | None, "about how many cases would tell them apart"]
    verdict: Annotated[str, "what that says, in a sentence"]


class CheckDocument(TypedDict):
    """One expectation of a case."""

    kind: Annotated[str, "the assertion, `not-` before one that is negated"]
    passed: Annotated[bool | None, "null: it could not be judged"]
    expected: Annotated[str, "what was expected"]
    got: Annotated[str, "what came"]


class AnswerDocument(TypedDict):
    """An answer in a comparison."""

    text: Annotated[str, "what was said"]
    reasoning: Annotated[str | None, "the thinking, kept apart"]
    finish_reason: Annotated[FinishReason | None, "why it ended; null if it was broken off"]
    usage: Annotated[UsageDocument | None, "token counts"]
    timings: Annotated[TimingsDocument | None, "speed"]
    first_visible_s: Annotated[float | None, "from the request to the first character, our clock"]
    load_s: Annotated[float | None, "loading before the clock started; null: it was there"]
    memory_bytes: Annotated[int | None, "what its worker takes; null where a server holds more"]
    locality: Annotated[LocalityDocument | None, "where, and the evidence"]
    cost: Annotated[CostDocument | None, "what it cost"]


class CaseDocument(TypedDict):
    """A case as one model answered it."""

    id: Annotated[str, "the case"]
    model: Annotated[str, "who answered"]
    repeat: Annotated[int, "which time, from 1"]
    outcome: Annotated[Outcome, "censored: cut at its limit; left_out: it fitted not all models"]
    checks: Annotated[list[CheckDocument], "what was expected of it"]
    reply: Annotated[AnswerDocument | None, "what came; null where nothing did"]
    error: Annotated[ErrorDocument | None, "why there is no answer"]


class JudgeDocument(TypedDict):
    """The model that judged, and how it was judged itself."""

    model: Annotated[str, "as `-m` takes it"]
    flip_rate: Annotated[float | None, "how often the order of the answers decided"]
    first_position_rate: Annotated[float | None, "how often the first answer was preferred"]
    control_error_rate: Annotated[float | None, "how often the same answer twice was no tie"]
    usable: Annotated[bool, "whether its verdicts may count"]


class GateDocument(TypedDict):
    """What had to hold."""

    passed: Annotated[bool, "whether it did"]
    reason: Annotated[str, "which of it did not, in a sentence"]


class DestinationDocument(TypedDict):
    """Where a model's prompts went, a judge's too."""

    model: Annotated[str, "as `-m` takes it"]
    zone: Annotated[ZoneName | None, "where it computes; null is unproven"]
    host: Annotated[str | None, "what they were sent to; null is this machine"]
    prompts: Annotated[int, "how many"]


class Comparison(TypedDict):
    """`localai compare --json`"""

    schema: Annotated[Literal["localai.compare/1"], "the promise that the rest keeps"]
    models: Annotated[list[ModelResultDocument], "a result each, in the order they were named"]
    pairs: Annotated[list[PairDocument], "each two of them; none where nothing was expected"]
    cases: Annotated[list[CaseDocument], "each answer"]
    judge: Annotated[JudgeDocument | None, "null where none judged"]
    gate: Annotated[GateDocument | None, "null where nothing had to hold"]
    destinations: Annotated[list[DestinationDocument], "where the prompts went"]
    error: Annotated[ErrorDocument | None, "what failed; null if nothing did"]


class DriftDocument(TypedDict):
    """How far a model is from the reference."""

    model: Annotated[str, "as `-m` takes it"]
    positions: Annotated[int, "tokens of the reference's answers"]
    divergence: Annotated[FigureDocument, "mean KL(reference ‖ model) in nats, a lower bound"]
    divergence_p99: Annotated[float, "its 99th percentile over the places"]
    same_top: Annotated[float, "share of places with the same likeliest token"]
    perplexity: Annotated[float, "of the reference's tokens"]
    parted: Annotated[list[int | None], "a prompt each: tokens until greedy answers differ"]


class DriftComparison(TypedDict):
    """`localai compare --drift --json`"""

    schema: Annotated[Literal["localai.compare/1"], "the promise that the rest keeps"]
    reference: Annotated[str, "the model that wrote, the largest"]
    reference_perplexity: Annotated[float, "of its own tokens"]
    drift: Annotated[list[DriftDocument], "every other model"]


def drift_document(reference: str, found: Sequence[Drift]) -> DriftComparison:
    """What `--drift` prints."""
    return {
        "schema": "localai.compare/1",
        "reference": reference,
        "reference_perplexity": found[0].reference_perplexity,
        "drift": [
            {
                "model": each.model,
                "positions": each.places,
                "divergence": figure_document(each.divergence, None),
                "divergence_p99": each.p99,
                "same_top": each.same_top,
                "perplexity": each.perplexity,
                "parted": list(each.parted),
            }
            for each in found
        ],
    }


def prompt_document(
    contestants: Sequence[Contestant],
    replies: Mapping[str, Reply],
    costs: Mapping[str, Cost | None],
    went: Iterable[PromptCount],
    error: LocalaiError | None,
) -> Comparison:
    """What a comparison of one prompt prints; replies and costs by the models' names."""
    shown = [each for each in contestants if each.name in replies]
    return {
        "schema": "localai.compare/1",
        "models": [_result(each, replies[each.name], costs[each.name]) for each in shown],
        "pairs": [],
        "cases": [_case(replies[each.name], costs[each.name]) for each in shown],
        "judge": None,
        "gate": None,
        "destinations": destination_documents(went),
        "error": None if error is None else error_document(error),
    }


def destination_documents(went: Iterable[PromptCount]) -> list[DestinationDocument]:
    """Where the prompts went."""
    return [
        {
            "model": each.model,
            "zone": zone_name(each.zone),
            "host": each.host,
            "prompts": each.prompts,
        }
        for each in went
    ]


def _result(contestant: Contestant, reply: Reply, cost: Cost | None) -> ModelResultDocument:
    answer, model = reply.answer, contestant.selected.model
    rate = None if answer is None else answer.done.timings.decode_tokens_per_s
    return {
        "model": contestant.name,
        "provider": model.provider,
        "zone": zone_name(model.zone if answer is None else answer.done.locality.zone),
        "cases": 1,
        "passed": 0,
        "failed": 0,
        "censored": int(answer is not None and answer.is_cut),
        "errors": int(reply.error is not None),
        "pass_rate": None,
        "tokens_per_s": _single(rate),
        "time_to_first_visible_s": _single(reply.time_to_first_visible_s),
        "cost": {"amount": None, "currency": "USD", "basis": None}
        if cost is None
        else cost_document(cost),
    }


def _single(value: float | None) -> FigureDocument | None:
    return None if value is None else {"value": value, "low": None, "high": None, "samples": None}


def _case(reply: Reply, cost: Cost | None) -> CaseDocument:
    answer = reply.answer
    outcome: Outcome = "error"
    if answer is not None:
        outcome = "censored" if answer.is_cut else "answered"
    done = None if answer is None else answer.done
    came: AnswerDocument | None = None
    if answer is not None or reply.partial.text or reply.partial.reasoning:
        came = {
            "text": reply.partial.text,
            "reasoning": reply.partial.reasoning or None,
            "finish_reason": None if done is None else done.finish_reason,
            "usage": None if done is None else usage_document(done.usage),
            "timings": None if done is None else timings_document(done.timings),
            "first_visible_s": reply.time_to_first_visible_s,
            "load_s": reply.load_s,
            "memory_bytes": reply.memory_bytes,
            "locality": None if done is None else locality_document(done.locality),
            "cost": None if cost is None else cost_document(cost),
        }
    return {
        "id": "prompt",
        "model": reply.model,
        "repeat": 1,
        "outcome": outcome,
        "checks": [],
        "reply": came,
        "error": None if reply.error is None else error_document(reply.error),
    }

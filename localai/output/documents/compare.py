"""The documents of `localai compare`, and the functions that make those of one prompt and of
`--drift`.

`compare_run` makes the document of a suite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.events import FinishReason, Usage
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
from localai.types import ZoneName

if TYPE_CHECKING:
    from localai.compare.asking import Reply
    from localai.compare.contestants import Contestant, PromptCount
    from localai.compare.drift import Drift
    from localai.cost.prices import Cost
    from localai.errors import LocalaiError

Outcome = Literal["answered", "passed", "failed", "censored", "error", "left_out"]


class ModelResultDocument(TypedDict):
    """The results of one model."""

    model: Annotated[str, "the model, as `-m` takes it"]
    provider: Annotated[str, "the provider that was asked"]
    zone: Annotated[ZoneName | None, "where it was computed; null is unproven"]
    cases: Annotated[int, "questions that it was asked, repeats included"]
    passed: Annotated[int, "answers that passed"]
    failed: Annotated[int, "answers that failed"]
    censored: Annotated[int, "answers cut at their limit before they could be judged"]
    errors: Annotated[int, "questions without an answer"]
    answered: Annotated[int, "answers that count neither way: nothing was expected, or judged"]
    left_out: Annotated[int, "answers to cases that were too long for one of the models"]
    pass_rate: Annotated[
        FigureDocument | None,
        "the share of passed among passed and failed answers; null without either",
    ]
    tokens_per_s: Annotated[FigureDocument | None, "the median of answer tokens a second"]
    time_to_first_visible_s: Annotated[
        FigureDocument | None, "seconds from the request to the first token that is no reasoning"
    ]
    usage: Annotated[UsageDocument, "the tokens of all its answers, as far as they are known"]
    load_s: Annotated[
        float | None, "seconds of loading before its questions; null if it was loaded, or unknown"
    ]
    memory_bytes: Annotated[
        int | None,
        "the most that its worker took; null for a server that holds other things",
    ]
    cost: Annotated[CostDocument, "the cost of all its answers"]


class PairDocument(TypedDict):
    """Two models on the cases that both answered."""

    a: Annotated[str, "one model"]
    b: Annotated[str, "the other"]
    only_a: Annotated[int, "cases that `a` alone passed"]
    only_b: Annotated[int, "cases that `b` alone passed"]
    both: Annotated[int, "cases that both passed"]
    neither: Annotated[int, "cases that neither passed"]
    p_value: Annotated[float, "McNemar's exact test, adjusted for the number of pairs (Holm)"]
    cases_needed: Annotated[int | None, "about how many cases would tell the two models apart"]
    verdict: Annotated[str, "what the counts say, in a sentence"]


class CheckDocument(TypedDict):
    """One expectation of a case."""

    kind: Annotated[str, "the assertion's kind, with `not-` before a negated one"]
    passed: Annotated[
        bool | None, "whether the answer meets the expectation; null if it could not be judged"
    ]
    expected: Annotated[str, "what was expected"]
    got: Annotated[str, "what the answer had"]


class AnswerDocument(TypedDict):
    """An answer in a comparison."""

    text: Annotated[str, "the text of the message"]
    reasoning: Annotated[str | None, "the model's reasoning"]
    finish_reason: Annotated[FinishReason | None, "why the answer ended; null if it was broken off"]
    usage: Annotated[UsageDocument | None, "token counts"]
    timings: Annotated[TimingsDocument | None, "times and rates"]
    first_visible_s: Annotated[
        float | None, "seconds from the request to the first character, by localai's clock"
    ]
    load_s: Annotated[
        float | None, "seconds of loading before the clock started; null if the model was loaded"
    ]
    memory_bytes: Annotated[
        int | None, "the memory of the model's worker; null for a server that holds other things"
    ]
    context_tokens: Annotated[int | None, "the context that was really allocated, in tokens"]
    locality: Annotated[LocalityDocument | None, "where the answer was computed, and the evidence"]
    cost: Annotated[CostDocument | None, "what the call cost"]


class CaseDocument(TypedDict):
    """A case as one model answered it."""

    id: Annotated[str, "the case's id"]
    model: Annotated[str, "the model that answered"]
    repeat: Annotated[int, "the number of the repeat, from 1"]
    outcome: Annotated[
        Outcome, "censored: cut at its limit; left_out: the case did not fit every model"
    ]
    checks: Annotated[list[CheckDocument], "the expectations, each with what the answer had"]
    reply: Annotated[AnswerDocument | None, "the answer; null if none came"]
    error: Annotated[ErrorDocument | None, "the error if no answer came, else null"]


class JudgeDocument(TypedDict):
    """The model that judged, and how it was judged itself."""

    model: Annotated[str, "the model, as `-m` takes it"]
    flip_rate: Annotated[
        float | None, "the share of pairs on which the order of the answers decided"
    ]
    first_position_rate: Annotated[
        float | None, "the share of verdicts for one answer that are for the first"
    ]
    control_error_rate: Annotated[
        float | None, "the share of controls, the same answer twice, that were no tie"
    ]
    usable: Annotated[bool, "whether the judge's verdicts may count"]


class GateDocument(TypedDict):
    """The gate: requirements that the run had to meet."""

    passed: Annotated[bool, "whether every requirement held"]
    reason: Annotated[str, "the requirements that did not hold, in a sentence"]


class DestinationDocument(TypedDict):
    """The host that a model's prompts went to, a judge's included."""

    model: Annotated[str, "the model, as `-m` takes it"]
    zone: Annotated[ZoneName | None, "where the model computes; null is unproven"]
    host: Annotated[str | None, "the host that the prompts were sent to; null is this machine"]
    prompts: Annotated[int, "the number of prompts"]


class Comparison(TypedDict):
    """`localai compare --json`"""

    schema: Annotated[Literal["localai.compare/1"], "the name and version of the document"]
    models: Annotated[
        list[ModelResultDocument], "a result for each model, in the order they were named"
    ]
    pairs: Annotated[
        list[PairDocument], "a comparison of each two models; empty if nothing was expected"
    ]
    cases: Annotated[list[CaseDocument], "a case for each model and repeat"]
    judge: Annotated[JudgeDocument | None, "the judge; null if none judged"]
    gate: Annotated[GateDocument | None, "the gate; null if nothing had to hold"]
    destinations: Annotated[list[DestinationDocument], "where the prompts went"]
    error: Annotated[ErrorDocument | None, "the error if something failed, else null"]


class DriftDocument(TypedDict):
    """The distance of a model from the reference."""

    model: Annotated[str, "the model, as `-m` takes it"]
    positions: Annotated[int, "tokens of the reference's answers"]
    divergence: Annotated[FigureDocument, "mean KL(reference ‖ model) in nats, a lower bound"]
    divergence_p99: Annotated[float, "the 99th percentile of the divergence over the positions"]
    same_top: Annotated[float, "the share of positions with the same likeliest token"]
    perplexity: Annotated[float, "the model's perplexity on the reference's tokens"]
    parted: Annotated[list[int | None], "for each prompt, the tokens until greedy answers differ"]


class DriftComparison(TypedDict):
    """`localai compare --drift --json`"""

    schema: Annotated[Literal["localai.compare/1"], "the name and version of the document"]
    reference: Annotated[str, "the model that wrote the answers: the largest one"]
    reference_perplexity: Annotated[float, "the reference's perplexity on its own tokens"]
    drift: Annotated[list[DriftDocument], "the drift of every other model"]


def drift_document(reference: str, found: Sequence[Drift]) -> DriftComparison:
    """The document of `--drift`."""
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
    """The document of a comparison of one prompt. Replies and costs are given by the models'
    names."""
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
    """The hosts that the prompts went to."""
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
        "answered": int(answer is not None and not answer.is_cut),
        "left_out": 0,
        "pass_rate": None,
        "tokens_per_s": _single(rate),
        "time_to_first_visible_s": _single(reply.time_to_first_visible_s),
        "usage": usage_document(Usage() if answer is None else answer.done.usage),
        "load_s": reply.load_s,
        "memory_bytes": reply.memory_bytes,
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
            "context_tokens": None if done is None else done.context_tokens,
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

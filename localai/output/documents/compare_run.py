"""The document of `compare --suite --json` and `compare report --json`: a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localai.compare.verdicts import pair_verdict
from localai.errors import InsufficientResources, class_of_kind
from localai.output.documents.answer import usage_document
from localai.output.documents.compare import (
    AnswerDocument,
    CaseDocument,
    Comparison,
    JudgeDocument,
    ModelResultDocument,
    PairDocument,
)
from localai.output.documents.failure import ErrorDocument, error_document
from localai.output.documents.figure import interval_document
from localai.units import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localai.compare.audit import Audit
    from localai.compare.destinations import PromptsSent
    from localai.compare.recorded import Head, ModelFacts, RecordedAnswer
    from localai.compare.results import Judged, ModelResult, Pair, Results
    from localai.compare.verdicts import GateResult
    from localai.errors import LocalaiError
    from localai.types import ZoneName


def run_document(
    head: Head,
    results: Results,
    sent: Sequence[PromptsSent],
    gate: GateResult | None,
    audit: Audit | None,
    error: LocalaiError | None,
) -> Comparison:
    """The document of a comparison over a suite, and of a report of one."""
    facts = {each.name: each for each in head.models}
    zones = {each.model: each.zone for each in sent if not each.judge}
    return {
        "schema": "localai.compare/1",
        "models": [
            _model_result(each, facts.get(each.model), zones[each.model]) for each in results.models
        ],
        "pairs": [_pair(each) for each in results.pairs],
        "cases": [_judged_case(each) for each in results.judged],
        "judge": None if audit is None else _judge(audit),
        "gate": None if gate is None else {"passed": gate.passed, "reason": gate.reason},
        "destinations": [
            {"model": each.model, "zone": each.zone, "host": each.host, "prompts": each.prompts}
            for each in sent
        ],
        "error": None if error is None else error_document(error),
    }


def _model_result(
    result: ModelResult, facts: ModelFacts | None, zone: ZoneName | None
) -> ModelResultDocument:
    return {
        "model": result.model,
        "provider": result.model.partition("/")[0] if facts is None else facts.provider,
        "zone": zone,
        "cases": result.cases,
        "passed": result.passed,
        "failed": result.failed,
        "censored": result.censored,
        "errors": result.errors,
        "answered": result.answered,
        "left_out": result.left_out,
        "pass_rate": interval_document(result.pass_rate),
        "tokens_per_s": interval_document(result.tokens_per_s),
        "time_to_first_visible_s": interval_document(result.time_to_first_visible_s),
        "usage": usage_document(result.usage),
        "load_s": result.load_s,
        "memory_bytes": result.memory_bytes,
        "cost": {
            "amount": result.cost,
            "currency": "USD",
            "basis": f"{counted(result.unpriced, 'answer has', 'answers have')} no known price"
            if result.unpriced
            else None,
        },
    }


def _judge(audit: Audit) -> JudgeDocument:
    return {
        "model": audit.judge,
        "flip_rate": None if audit.flip_rate is None else audit.flip_rate.value,
        "first_position_rate": None if audit.first_rate is None else audit.first_rate.value,
        "control_error_rate": audit.control_error_rate,
        "usable": audit.usable,
    }


def _pair(pair: Pair) -> PairDocument:
    return {
        "a": pair.a,
        "b": pair.b,
        "only_a": pair.only_a,
        "only_b": pair.only_b,
        "both": pair.both,
        "neither": pair.neither,
        "p_value": pair.p_value,
        "cases_needed": pair.cases_needed,
        "verdict": pair_verdict(pair),
    }


def _judged_case(judged: Judged) -> CaseDocument:
    answer = judged.answer
    error: ErrorDocument | None = None
    if answer.error is not None:
        kind, code = _promised_kind(answer.error_kind)
        error = {
            "kind": kind,
            "message": answer.error,
            "hint": None,
            "command": None,
            "check": None,
            "exit_code": code,
        }
    return {
        "id": answer.case,
        "model": answer.model,
        "repeat": answer.repeat,
        "outcome": judged.outcome,
        "checks": [
            {"kind": e.kind, "passed": e.passed, "expected": e.expected, "got": e.got}
            for e in judged.checks
        ],
        "reply": _recorded_reply(answer),
        "error": error,
    }


def _promised_kind(kind: str | None) -> tuple[str, int]:
    """The kind of a recorded error, and its exit code."""
    name = InsufficientResources.kind if kind == "context_overflow" else kind
    found = class_of_kind(name)
    return found.kind, found.exit_code


def _recorded_reply(answer: RecordedAnswer) -> AnswerDocument | None:
    if answer.error is not None and not answer.text:
        return None
    return {
        "text": answer.text,
        "reasoning": answer.reasoning or None,
        "finish_reason": answer.finish_reason,
        "usage": usage_document(answer.usage),
        "timings": {
            "load_s": answer.load_s,
            "time_to_first_token_s": answer.time_to_first_token_s,
            "prefill_tokens_per_s": answer.prefill_tokens_per_s,
            "decode_tokens_per_s": answer.tokens_per_s,
            "total_s": answer.total_s,
            "clock": answer.clock,
        },
        "first_visible_s": answer.time_to_first_visible_s,
        "load_s": answer.load_s,
        "memory_bytes": answer.memory_bytes,
        "context_tokens": answer.context_tokens,
        "locality": {
            "process": None,
            "machine": None,
            "zone": answer.zone,
            "evidence": answer.evidence or "",
            "network_denied": None,
        },
        "cost": {"amount": answer.cost, "currency": "USD", "basis": answer.cost_basis},
    }

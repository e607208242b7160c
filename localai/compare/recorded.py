"""The values that a run file holds: cases, answers, findings, verdicts and votes, to and from JSON.
Pure.

Every report is computed from these values, so a report can be made again, even with other
expectations, without asking a model.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from localai.compare.checks.check import CheckedAnswer, Observation
from localai.dataclass import dataclass
from localai.events import CUT, FinishReason, Usage
from localai.types import ToolCall, ZoneName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import TypeAdapter

    from localai.compare.asking import Reply
    from localai.cost.prices import Cost

SCHEMA = "localai.compare.run/1"

Kind = Literal["head", "case", "answer", "finding", "verdict", "vote"]
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The facts of a model that took part."""

    name: str
    provider: str
    zone: ZoneName | None = None
    host: str | None = None
    digest: str | None = None
    quantization: str | None = None
    parameters: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """How a run was made. A later head replaces an earlier one.

    `gate` has the fields of `suite.case.Gate`; `machine` is a fingerprint of the hardware; `judges`
    are the models that were asked to judge so far.
    """

    suite: str
    models: tuple[ModelFacts, ...]
    repeats: int
    at: float
    localai: str
    machine: str
    licence: str | None = None
    gate: dict[str, Any] | None = None
    judges: tuple[ModelFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedCase:
    """A case: its messages as role and text, and its expectations as they stood in the suite."""

    id: str
    messages: tuple[tuple[str, str], ...]
    expect: Any = None
    local_only: bool = False
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """An answer, or the reason why there is none (`error`). Unknown values are None; times are in
    seconds, `asked_at` since the epoch.

    `request` is the fingerprint of the question, `jobs` the number of questions that were asked at
    once.
    """

    case: str
    model: str
    repeat: int
    request: str
    asked_at: float
    machine: str
    jobs: int = 1
    text: str = ""
    reasoning: str = ""
    finish_reason: FinishReason | None = None
    tool_calls: tuple[tuple[str, str, str], ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    tokens_per_s: float | None = None
    prefill_tokens_per_s: float | None = None
    time_to_first_token_s: float | None = None
    time_to_first_visible_s: float | None = None
    total_s: float | None = None
    clock: Literal["server", "client"] | None = None
    load_s: float | None = None
    memory_bytes: int | None = None
    zone: ZoneName | None = None
    evidence: str | None = None
    cost: float | None = None
    cost_basis: str | None = None
    context_tokens: int | None = None
    error: str | None = None
    error_kind: str | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        """The question that it answers: case, model and repeat."""
        return self.case, self.model, self.repeat

    @property
    def usage(self) -> Usage:
        """Its token counts."""
        return Usage(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cached_tokens=self.cached_tokens,
            reasoning_tokens=self.reasoning_tokens,
            cache_write_tokens=self.cache_write_tokens,
        )

    @property
    def is_cut(self) -> bool:
        """Whether the answer did not come to its own end (`types.CUT`)."""
        return self.finish_reason in CUT

    @property
    def overflowed(self) -> bool:
        """Whether the case was larger than the model's context."""
        return self.error_kind == "context_overflow"

    @property
    def may_succeed_later(self) -> bool:
        """Whether asking again could succeed: the server was not reached, or there was no
        memory."""
        return self.error_kind in ("unreachable", "insufficient_resources", "unexpected")

    def as_checked(self, outside: Mapping[str, Observation]) -> CheckedAnswer:
        """The answer as its checks see it."""
        return CheckedAnswer(
            text=self.text,
            finish_reason=self.finish_reason,
            tool_calls=tuple(ToolCall(*each) for each in self.tool_calls),
            total_s=self.total_s,
            tokens_per_s=self.tokens_per_s,
            cost=self.cost,
            zone=self.zone,
            outside=outside,
        )


@dataclass(frozen=True, slots=True)
class RecordedFinding:
    """A finding from outside the answer, for the check with this `key`: a judge's, or from running
    the code."""

    case: str
    model: str
    repeat: int
    key: str
    passed: bool | None
    got: str
    by: str
    answer: str
    """The fingerprint of the answer that was looked at."""


Preference = Literal["A", "B", "tie"]


@dataclass(frozen=True, slots=True)
class RecordedVerdict:
    """A judge's verdict on two answers to a case, shown in this order; None if it gave no verdict.

    `control` says that both answers were the same.
    """

    judge: str
    case: str
    repeat: int
    first: str
    second: str
    answers: str
    verdict: Preference | None
    reason: str
    control: bool = False


@dataclass(frozen=True, slots=True)
class RecordedVote:
    """A person's preference between two answers, without their models' names. None means that they
    were alike."""

    case: str
    repeat: int
    a: str
    b: str
    winner: str | None
    at: float


KINDS: dict[Kind, type] = {
    "head": Head,
    "case": RecordedCase,
    "answer": RecordedAnswer,
    "finding": RecordedFinding,
    "verdict": RecordedVerdict,
    "vote": RecordedVote,
}
_NAMES = {kind: name for name, kind in KINDS.items()}


def to_json(value: Any) -> dict[str, Any]:
    """A value of `KINDS` as a line of the file. Fields with their default value are left out."""
    fields = asdict(value)
    defaults = {
        name: field.default
        for name, field in type(value).__dataclass_fields__.items()
        if name in fields
    }
    kept = {name: each for name, each in fields.items() if each != defaults[name]}
    return {"schema": SCHEMA, "record": _NAMES[type(value)], **kept}


def from_json(raw: Any) -> Any:
    """The value in a line. Raises ValueError for a line that has none."""
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise ValueError("no line of a run")
    named = raw.get("record")
    kind = next((each for name, each in KINDS.items() if name == named), None)
    if kind is None:
        raise ValueError(f"a line of the unknown kind {named!r}")
    fields = {name: each for name, each in raw.items() if name not in ("schema", "record")}
    return _adapter(kind).validate_python(fields)


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def recorded(
    reply: Reply,
    *,
    case: str,
    repeat: int,
    request: str,
    machine: str,
    jobs: int,
    cost: Cost | None,
) -> RecordedAnswer:
    """The part of a reply that is kept."""
    from localai.errors import ContextOverflow

    answer, error = reply.answer, reply.error
    done = None if answer is None else answer.done
    usage = None if done is None else done.usage
    timings = None if done is None else done.timings
    kind = None if error is None else error.kind
    return RecordedAnswer(
        case=case,
        model=reply.model,
        repeat=repeat,
        request=request,
        asked_at=reply.asked_at,
        machine=machine,
        jobs=jobs,
        text=reply.partial.text,
        reasoning=reply.partial.reasoning,
        finish_reason=None if done is None else done.finish_reason,
        tool_calls=tuple((e.id, e.name, e.arguments) for e in reply.partial.tool_calls),
        input_tokens=None if usage is None else usage.input_tokens,
        output_tokens=None if usage is None else usage.output_tokens,
        reasoning_tokens=None if usage is None else usage.reasoning_tokens,
        cached_tokens=None if usage is None else usage.cached_tokens,
        cache_write_tokens=None if usage is None else usage.cache_write_tokens,
        tokens_per_s=None if timings is None else timings.decode_tokens_per_s,
        prefill_tokens_per_s=None if timings is None else timings.prefill_tokens_per_s,
        time_to_first_token_s=None if timings is None else timings.time_to_first_token_s,
        time_to_first_visible_s=reply.time_to_first_visible_s,
        total_s=None if timings is None else timings.total_s,
        clock=None if timings is None else timings.clock,
        load_s=reply.load_s,
        memory_bytes=reply.memory_bytes,
        zone=None if done is None or done.locality.zone is None else done.locality.zone.label,
        evidence=None if done is None else done.locality.evidence,
        cost=None if cost is None or cost.amount is None else float(cost.amount),
        cost_basis=None if cost is None else cost.basis,
        context_tokens=None if done is None else done.context_tokens,
        error=None if error is None else error.message,
        error_kind="context_overflow" if isinstance(error, ContextOverflow) else kind,
    )

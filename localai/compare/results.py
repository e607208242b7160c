"""The results of a run: outcomes of cases, rates of models, comparisons of each two models. Pure.

An answer that was cut at its limit is not wrong but censored, because the rest of it is unknown. It
counts as passed only if it meets all expectations already and more text could not change that. An
answer with an open check, such as one that no judge has seen, counts neither way. A case that did
not fit the context of one model is left out for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from localai.compare.checks.check import CheckResult
from localai.compare.checks.reading import read_expectations
from localai.compare.names import short_names
from localai.compare.recorded import RecordedAnswer
from localai.compare.run_file import Run
from localai.dataclass import dataclass
from localai.events import Usage
from localai.statistics import (
    Interval,
    bootstrap_by_case,
    cases_needed,
    holm,
    mcnemar,
    median_interval,
    wilson,
)

if TYPE_CHECKING:
    from localai.compare.checks.check import Check

Outcome = Literal["answered", "passed", "failed", "censored", "error", "left_out"]


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer with its outcome and the results of its checks."""

    answer: RecordedAnswer
    outcome: Outcome
    checks: tuple[CheckResult, ...]


@dataclass(frozen=True, slots=True)
class ModelResult:
    """The results of one model. Rates and medians are None if there are no values for them.

    `usage`, `load_s` (seconds) and `cost` (dollars) are the sums of what is known of its answers;
    `unpriced` is the number of answers without a known cost. `memory_bytes` is the most that its
    worker took.
    """

    model: str
    cases: int
    answered: int
    passed: int
    failed: int
    censored: int
    errors: int
    left_out: int
    pass_rate: Interval | None
    tokens_per_s: Interval | None
    time_to_first_visible_s: Interval | None
    usage: Usage
    load_s: float | None
    memory_bytes: int | None
    cost: float | None
    unpriced: int
    zones: tuple[str, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """The comparison of two models on the cases that both answered, by the majority of the repeats.

    `p_value` is adjusted for the number of pairs (Holm). `difference` is the mean difference of the
    pass rates (a − b), with its interval by case.
    """

    a: str
    b: str
    only_a: int
    only_b: int
    both: int
    neither: int
    p_value: float
    cases_needed: int | None
    difference: Interval | None

    @property
    def cases(self) -> int:
        """The number of cases that both models answered."""
        return self.only_a + self.only_b + self.both + self.neither


@dataclass(frozen=True, slots=True)
class Results:
    """The results of a whole run: models in the order of the run, cases in the order of the
    suite."""

    judged: tuple[Judged, ...]
    models: tuple[ModelResult, ...]
    pairs: tuple[Pair, ...]
    expects: bool
    left_out: tuple[str, ...]
    local_only: tuple[str, ...]

    @property
    def short_names(self) -> dict[str, str]:
        """The name of each model in sentences and in reports for other people."""
        return short_names([each.model for each in self.models])

    def of(self, case: str, model: str) -> list[Judged]:
        """A model's answers to a case, one for each repeat."""
        return [
            each for each in self.judged if each.answer.case == case and each.answer.model == model
        ]


def results_of(run: Run) -> Results:
    """The results of the run, by the expectations that it holds now."""
    checks = {case.id: read_expectations(case.expect) for case in run.cases.values()}
    names = model_names(run)
    left_out = {each.case for each in run.answers.values() if each.overflowed}
    answers = [
        run.answers[case, model, repeat]
        for case in run.cases
        for model in names
        for repeat in _repeats(run)
        if (case, model, repeat) in run.answers
    ]
    judged = tuple(judge(each, checks[each.case], run, each.case in left_out) for each in answers)
    by_model = {name: [e for e in judged if e.answer.model == name] for name in names}
    expects = any(checks.values())
    return Results(
        judged=judged,
        models=tuple(_model(name, some) for name, some in by_model.items()),
        pairs=_pairs(by_model) if expects else (),
        expects=expects,
        left_out=tuple(case for case in run.cases if case in left_out),
        local_only=tuple(case.id for case in run.cases.values() if case.local_only),
    )


def model_names(run: Run) -> list[str]:
    """The models of a run, in their order."""
    named = [] if run.head is None else [each.name for each in run.head.models]
    return list(dict.fromkeys([*named, *(model for _, model, _ in run.answers)]))


def judge(
    answer: RecordedAnswer, checks: Sequence[Check], run: Run, left_out: bool = False
) -> Judged:
    """The answer with its outcome."""
    if left_out:
        return Judged(answer, "left_out", ())
    if answer.error is not None:
        return Judged(answer, "error", ())
    found = tuple(each.result(answer.as_checked(run.outside(answer))) for each in checks)
    return Judged(answer, _outcome(answer, checks, found), found)


def _outcome(
    answer: RecordedAnswer, checks: Sequence[Check], found: Sequence[CheckResult]
) -> Outcome:
    if not checks:
        return "censored" if answer.is_cut else "answered"
    passed = all(each.passed for each in found)
    # More text could break a passed check, or meet a failed one.
    if answer.is_cut and not (passed and not any(c.negated or c.bounds for c in checks)):
        return "censored"
    if passed:
        return "passed"
    if any(each.passed is False for each in found):
        return "failed"
    return "answered"


def _repeats(run: Run) -> list[int]:
    return sorted({repeat for _, _, repeat in run.answers})


def _model(name: str, judged: Sequence[Judged]) -> ModelResult:
    counted = dict.fromkeys(("answered", "passed", "failed", "censored", "error"), 0)
    for each in judged:
        counted[each.outcome] = counted.get(each.outcome, 0) + 1
    answers = [each.answer for each in judged if each.answer.error is None]
    costs = [each.cost for each in answers if each.cost is not None]
    zones = [each.zone or "unproven" for each in answers]
    loads = [each.load_s for each in answers if each.load_s is not None]
    memory = [each.memory_bytes for each in answers if each.memory_bytes is not None]
    return ModelResult(
        model=name,
        cases=len(judged),
        answered=counted["answered"],
        passed=counted["passed"],
        failed=counted["failed"],
        censored=counted["censored"],
        errors=counted["error"],
        left_out=counted.get("left_out", 0),
        pass_rate=_pass_rate(judged),
        tokens_per_s=_median([each.tokens_per_s for each in answers]),
        time_to_first_visible_s=_median([each.time_to_first_visible_s for each in answers]),
        usage=_total([each.usage for each in answers]),
        load_s=sum(loads) if loads else None,
        memory_bytes=max(memory, default=None),
        cost=sum(costs) if costs else None,
        unpriced=len(answers) - len(costs),
        zones=tuple(dict.fromkeys(zones)),
        evidence=tuple(dict.fromkeys(each.evidence for each in answers if each.evidence)),
    )


def _total(usages: Sequence[Usage]) -> Usage:
    known = {
        field.name: [count for each in usages if (count := getattr(each, field.name)) is not None]
        for field in fields(Usage)
    }
    return Usage(**{name: sum(counts) for name, counts in known.items() if counts})


def _pass_rate(judged: Sequence[Judged]) -> Interval | None:
    """The share of passed among passed and failed answers. Its interval is Wilson's for single
    answers, and bootstrapped by case for repeats."""
    shares = pass_shares(judged)
    if not shares:
        return None
    if all(each.answer.repeat == 1 for each in judged):
        return wilson(round(sum(shares.values())), len(shares))
    return bootstrap_by_case(list(shares.values()))


def pass_shares(judged: Sequence[Judged]) -> dict[str, float]:
    """For each case, the share of its judged answers that passed. Cases without a judged answer are
    left out."""
    found: dict[str, list[float]] = {}
    for each in judged:
        if each.outcome in ("passed", "failed"):
            found.setdefault(each.answer.case, []).append(float(each.outcome == "passed"))
    return {case: fmean(shares) for case, shares in found.items()}


def _median(samples: Sequence[float | None]) -> Interval | None:
    known = [each for each in samples if each is not None]
    return median_interval(known) if known else None


def _pairs(by_model: Mapping[str, Sequence[Judged]]) -> tuple[Pair, ...]:
    shares = {name: pass_shares(judged) for name, judged in by_model.items()}
    names = list(combinations(shares, 2))
    found = [pair_of(a, b, shares[a], shares[b]) for a, b in names]
    adjusted = holm([each[1] for each in found])
    return tuple(
        Pair(a, b, *counts, p_value, needed, difference)
        for (a, b), (counts, _, needed, difference), p_value in zip(
            names, found, adjusted, strict=True
        )
    )


def pair_of(
    a: str, b: str, shares_a: Mapping[str, float], shares_b: Mapping[str, float]
) -> tuple[tuple[int, int, int, int], float, int | None, Interval | None]:
    """The comparison of two models' shares by case: the counts (only a, only b, both, neither), the
    unadjusted p-value, the number of cases that would tell them apart, and the difference of the
    rates."""
    cases = [case for case in shares_a if case in shares_b]
    passed = [(shares_a[case] > 0.5, shares_b[case] > 0.5) for case in cases]
    only_a = passed.count((True, False))
    only_b = passed.count((False, True))
    counts = (only_a, only_b, passed.count((True, True)), passed.count((False, False)))
    differences = [shares_a[case] - shares_b[case] for case in cases]
    return (
        counts,
        mcnemar(only_a, only_b),
        cases_needed(only_a, only_b, len(cases)),
        bootstrap_by_case(differences) if differences else None,
    )

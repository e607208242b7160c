"""The statistics of a comparison in words, and the result of its gate. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localai.compare.results import ModelResult, Pair, Results, pass_shares
from localai.dataclass import dataclass
from localai.statistics import Interval, mcnemar
from localai.units import counted

_SIGNIFICANT = 0.05
_LEAST_DECIDING = 6
"""6 to 0 is the least that McNemar's exact test calls no accident (p 0.031)."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """Whether the gate's requirements held, and the ones that did not."""

    passed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ModelChange:
    """The change of a model since an earlier run of the same cases."""

    model: str
    newly_failed: tuple[str, ...]
    newly_passed: tuple[str, ...]
    p_value: float
    cases: int

    @property
    def is_regression(self) -> bool:
        """Whether the model got worse, beyond chance."""
        worse = len(self.newly_failed) > len(self.newly_passed)
        return worse and self.p_value < _SIGNIFICANT


def pair_verdict(pair: Pair, names: Mapping[str, str] | None = None) -> str:
    """The comparison of two models in a sentence. `names` has the models' names for the
    sentence."""
    a, b = (pair.a, pair.b) if names is None else (names[pair.a], names[pair.b])
    discordant = pair.only_a + pair.only_b
    if not pair.cases:
        return "no case was judged for both"
    if not discordant:
        return f"the same outcome in {_all_of(pair.cases)}"
    more, fewer = max(pair.only_a, pair.only_b), min(pair.only_a, pair.only_b)
    score = f"{more:,} to {fewer:,}"
    if pair.p_value < _SIGNIFICANT:
        better = a if pair.only_a > pair.only_b else b
        return (
            f"{better} is better: {score} of {counted(pair.cases, 'case')}, {p_text(pair.p_value)}"
        )
    rates = ", ".join(
        f"{name} {share:.0%}"
        for name, share in (
            (a, (pair.both + pair.only_a) / pair.cases),
            (b, (pair.both + pair.only_b) / pair.cases),
        )
    )
    if discordant < _LEAST_DECIDING:
        why = f"{score}, and no number this small can decide (6 to 0 is the least)"
    elif pair.cases_needed is None:
        why = f"{score}, {p_text(pair.p_value)}"
    else:
        why = f"{score}, {p_text(pair.p_value)}; about {pair.cases_needed:,} cases would tell"
    return f"{rates}, n {pair.cases:,}: not told apart ({why})"


def _all_of(cases: int) -> str:
    return "its one case" if cases == 1 else f"all {counted(cases, 'case')}"


def p_text(p_value: float) -> str:
    """A p-value, such as `p 0.031`; a very small one as a bound."""
    return "p < 0.001" if p_value < 0.001 else f"p {p_value:.3f}"


def rate_text(rate: Interval | None) -> str:
    """A rate with its interval: `82% (68–91%)`."""
    if rate is None:
        return "–"
    if rate.low is None or rate.high is None:
        return f"{rate.value:.0%}"
    return f"{rate.value:.0%} ({rate.low * 100:.0f}–{rate.high:.0%})"


def overlaps(models: Sequence[ModelResult]) -> bool:
    """Whether the intervals of any two pass rates overlap, so that the order of the two models
    means nothing."""
    rates = [each.pass_rate for each in models if each.pass_rate is not None]
    return any(
        a.low is None or b.high is None or a.high is None or b.low is None
        or (a.low <= b.high and b.low <= a.high)
        for number, a in enumerate(rates)
        for b in rates[number + 1 :]
    )  # fmt: skip


def gate_result(gate: Mapping[str, Any] | None, results: Results) -> GateResult | None:
    """The result of a suite's gate; None if it has none. Its fields are those of
    `suite.case.Gate`."""
    if gate is None:
        return None
    names = gate.get("models") or ()
    broken = [
        f"{each.model}: {complaint}"
        for each in results.models
        if not names or each.model in names
        for complaint in _complaints(gate, each)
    ]
    missing = [name for name in names if name not in {each.model for each in results.models}]
    broken += [f"{name} was not compared" for name in missing]
    return GateResult(not broken, "; ".join(broken) or "all that had to hold does")


def _complaints(gate: Mapping[str, Any], model: ModelResult) -> list[str]:
    found = []
    least = gate.get("pass_rate")
    if least is not None and (model.pass_rate is None or model.pass_rate.value < least):
        found.append(f"{rate_text(model.pass_rate)} passed, and {least:.0%} must")
    for name, count in (("errors", model.errors), ("censored", model.censored)):
        most = gate.get(name)
        if most is not None and count > most:
            found.append(f"{count} {name}, and {most} may be")
    return found


def changes(old: Results, new: Results) -> list[ModelChange]:
    """The changes of each model that is in both runs, over the cases that both runs judged."""
    found = []
    for model in new.models:
        before = pass_shares([e for e in old.judged if e.answer.model == model.model])
        after = pass_shares([e for e in new.judged if e.answer.model == model.model])
        cases = [case for case in after if case in before]
        if not cases:
            continue
        failed = tuple(c for c in cases if before[c] > 0.5 >= after[c])
        passed = tuple(c for c in cases if after[c] > 0.5 >= before[c])
        p_value = mcnemar(len(failed), len(passed))
        found.append(ModelChange(model.model, failed, passed, p_value, len(cases)))
    return found


def change_text(change: ModelChange) -> str:
    """The change of a model in a sentence."""
    failed, passed = len(change.newly_failed), len(change.newly_passed)
    if not failed and not passed:
        return f"{change.model}: the same in {_all_of(change.cases)}"
    counts = f"{failed} newly failed, {passed} newly passed of {change.cases}"
    if change.p_value < _SIGNIFICANT:
        way = "worse" if failed > passed else "better"
        return f"{change.model}: {way}, {counts}, {p_text(change.p_value)}"
    return f"{change.model}: {counts}: may be an accident ({p_text(change.p_value)})"

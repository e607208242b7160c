"""A judge's preferences by pair of models, and the audit of the judge itself. Pure.

Each two answers are judged in both orders; if the two verdicts disagree, the pair is a tie. The
audit uses the same verdicts: how often the order decided (flips), how often the judge preferred the
first answer or the longer one, and whether it found a difference between an answer and itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations
from statistics import median

from localai.compare.names import short_name
from localai.compare.recorded import RecordedVerdict
from localai.compare.results import model_names
from localai.compare.run_file import Run
from localai.dataclass import dataclass
from localai.statistics import (
    Interval,
    bootstrap_by_case,
    bradley_terry,
    holm,
    kappa,
    mcnemar,
    wilson,
)
from localai.units import counted

MOST_FLIPS = 0.3
MOST_CONTROL_ERRORS = 0.3
_LEAST_CONTROLS = 5
_BIAS_SHOWN = 0.5


@dataclass(frozen=True, slots=True)
class Preferred:
    """A judge's preference between two answers to a case, from both orders. `winner` None is a
    tie."""

    case: str
    repeat: int
    a: str
    b: str
    winner: str | None
    flipped: bool


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """The numbers of times that each of two models was preferred. `p_value` is adjusted for the
    number of pairs."""

    a: str
    b: str
    for_a: int
    for_b: int
    ties: int
    p_value: float


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit of a judge. A rate is None if no verdicts bear on it.

    `agreement` is Cohen's κ with a person's blind votes on `voted` pairs.
    """

    judge: str
    preferred: tuple[Preferred, ...]
    pairs: tuple[JudgedPair, ...]
    strengths: Mapping[str, Interval]
    median_words: Mapping[str, float]
    flip_rate: Interval | None
    first_rate: Interval | None
    longer_rate: Interval | None
    control_errors: int
    controls: int
    unscored: int
    agreement: float | None
    voted: int

    @property
    def control_error_rate(self) -> float | None:
        """The share of controls, the same answer twice, that were no tie; None without controls."""
        return self.control_errors / self.controls if self.controls else None

    @property
    def usable(self) -> bool:
        """Whether the judge's verdicts may count."""
        return not self.complaints

    @property
    def complaints(self) -> list[str]:
        """The reasons why the verdicts may not count, a sentence each."""
        found = []
        if self.preferred and self.flip_rate is not None and self.flip_rate.value > MOST_FLIPS:
            found.append(f"the order of the answers decided in {self.flip_rate.value:.0%}")
        rate = self.control_error_rate
        enough = self.controls >= _LEAST_CONTROLS
        if rate is not None and enough and rate > MOST_CONTROL_ERRORS:
            found.append(f"it preferred one of two identical answers in {rate:.0%}")
        scored = 2 * len(self.preferred)
        if self.unscored > scored:
            found.append("most of what it said was no verdict")
        return found


def audit_of(run: Run) -> Audit | None:
    """The audit of the judge that judged last; None if nobody judged."""
    if not run.verdicts:
        return None
    judge = list(run.verdicts.values())[-1].judge
    verdicts = [each for each in run.verdicts.values() if each.judge == judge]
    real = [each for each in verdicts if not each.control]
    controls = [each for each in verdicts if each.control and each.verdict is not None]
    preferred = _in_both_orders(real, model_names(run))
    decided = [each for each in real if each.verdict in ("A", "B")]
    longer = _longer_won(preferred, run)
    votes = _with_votes(preferred, run)
    flips = sum(each.flipped for each in preferred)
    return Audit(
        judge=judge,
        preferred=tuple(preferred),
        pairs=_pairs(preferred, model_names(run)),
        strengths=_strengths(preferred),
        median_words=_median_words(preferred, run),
        flip_rate=wilson(flips, len(preferred)) if preferred else None,
        first_rate=wilson(sum(e.verdict == "A" for e in decided), len(decided))
        if decided
        else None,
        longer_rate=wilson(sum(longer), len(longer)) if longer else None,
        control_errors=sum(each.verdict != "tie" for each in controls),
        controls=len(controls),
        unscored=sum(each.verdict is None for each in verdicts),
        agreement=kappa(votes) if votes else None,
        voted=len(votes),
    )


def _in_both_orders(verdicts: Sequence[RecordedVerdict], models: Sequence[str]) -> list[Preferred]:
    by_order = {(e.case, e.repeat, e.first, e.second): e for e in verdicts}
    found = []
    for (case, repeat, a, b), there in by_order.items():
        back = by_order.get((case, repeat, b, a))
        if back is None or models.index(a) > models.index(b):
            continue
        if there.verdict is None or back.verdict is None:
            continue
        one, other = _winner(there), _winner(back)
        found.append(Preferred(case, repeat, a, b, one if one == other else None, one != other))
    return found


def _winner(verdict: RecordedVerdict) -> str | None:
    return {"A": verdict.first, "B": verdict.second}.get(verdict.verdict or "")


def _longer_won(preferred: Sequence[Preferred], run: Run) -> list[bool]:
    """For each preference between answers of different length, whether the longer one won. A tie is
    no preference: if the order decided, the longer one won once and lost once."""
    found = []
    for each in preferred:
        a, b = (
            len(run.answers[each.case, model, each.repeat].text.split())
            if (each.case, model, each.repeat) in run.answers
            else 0
            for model in (each.a, each.b)
        )
        if each.winner is not None and a != b:
            found.append((each.winner == each.a) == (a > b))
    return found


def _pairs(preferred: Sequence[Preferred], models: Sequence[str]) -> tuple[JudgedPair, ...]:
    counted = []
    for a, b in combinations(models, 2):
        of_pair = [each for each in preferred if (each.a, each.b) == (a, b)]
        for_a = sum(each.winner == a for each in of_pair)
        for_b = sum(each.winner == b for each in of_pair)
        if of_pair:
            counted.append((a, b, for_a, for_b, len(of_pair) - for_a - for_b))
    adjusted = holm([mcnemar(for_a, for_b) for _, _, for_a, for_b, _ in counted])
    return tuple(
        JudgedPair(*each, p_value) for each, p_value in zip(counted, adjusted, strict=True)
    )


def _strengths(preferred: Sequence[Preferred], draws: int = 200) -> dict[str, Interval]:
    """The Bradley-Terry strengths, for three models and more. A tie is half a win for each. The
    intervals are bootstrapped by case."""
    players = sorted({name for each in preferred for name in (each.a, each.b)})
    if len(players) < 3:
        return {}
    by_case: dict[str, list[Preferred]] = {}
    for each in preferred:
        by_case.setdefault(each.case, []).append(each)
    cases = list(by_case.values())

    def strength(chosen: Sequence[float], player: str) -> float:
        wins: dict[tuple[str, str], float] = {}
        for index in chosen:
            for each in cases[int(index)]:
                for one, other in ((each.a, each.b), (each.b, each.a)):
                    won = 0.5 if each.winner is None else float(each.winner == one)
                    wins[one, other] = wins.get((one, other), 0.0) + won
        return bradley_terry(wins, steps=100).get(player, 0.0)

    indices = [float(number) for number in range(len(cases))]
    return {
        player: bootstrap_by_case(indices, partial(strength, player=player), draws=draws)
        for player in players
    }


def _median_words(preferred: Sequence[Preferred], run: Run) -> dict[str, float]:
    """The median number of words in the judged answers, by model."""
    words: dict[str, list[int]] = {}
    for each in preferred:
        for model in (each.a, each.b):
            answer = run.answers.get((each.case, model, each.repeat))
            if answer is not None:
                words.setdefault(model, []).append(len(answer.text.split()))
    return {model: float(median(counts)) for model, counts in words.items()}


def _with_votes(preferred: Sequence[Preferred], run: Run) -> list[tuple[str, str]]:
    """The judge's and the person's preference on each pair that both judged."""
    found = []
    for each in preferred:
        vote = run.votes.get((each.case, each.repeat, frozenset((each.a, each.b))))
        if vote is not None:
            found.append((each.winner or "tie", vote.winner or "tie"))
    return found


def audit_lines(audit: Audit, names: Mapping[str, str]) -> list[str]:
    """The judge's preferences and the audit, a sentence each. The first sentence says whether the
    judge is usable."""
    called = names.get(audit.judge, short_name(audit.judge))
    if audit.usable:
        lines = [f"judge {called}, in both orders:"]
    else:
        lines = [f"judge {called} is not usable: {'; '.join(audit.complaints)}"]
    for pair in audit.pairs:
        a, b = names[pair.a], names[pair.b]
        says = _pair_says(pair, a, b)
        words = ", ".join(
            f"{names[model]} {audit.median_words[model]:g}"
            for model in (pair.a, pair.b)
            if model in audit.median_words
        )
        counts = f"{a} {pair.for_a}, {b} {pair.for_b}, {counted(pair.ties, 'tie')}"
        lines.append(f"{counts}: {says} (words: {words})")
    for model, strength in sorted(audit.strengths.items(), key=lambda each: -each[1].value):
        bounds = ""
        if strength.low is not None and strength.high is not None:
            bounds = f" ({strength.low:+.2f} to {strength.high:+.2f})"
        lines.append(f"strength of {names[model]}: {strength.value:+.2f}{bounds}, Bradley-Terry")
    lines.append(_rates(audit))
    if audit.agreement is not None:
        lines.append(
            f"with your {counted(audit.voted, 'blind vote')} it agrees by κ {audit.agreement:.2f}"
        )
    return lines


def _pair_says(pair: JudgedPair, a: str, b: str) -> str:
    if pair.p_value < 0.05:
        return f"{a if pair.for_a > pair.for_b else b} is preferred, p {pair.p_value:.3f}"
    if pair.for_a + pair.for_b < 6:
        return "no number this small can decide"
    return f"not told apart, p {pair.p_value:.2f}"


def _rates(audit: Audit) -> str:
    parts = []
    if audit.flip_rate is not None:
        parts.append(f"the order decided in {_percent(audit.flip_rate)} of {len(audit.preferred)}")
    if audit.first_rate is not None:
        first = f"{_percent(audit.first_rate)}{_biased(audit.first_rate)}"
        parts.append(f"the first was preferred in {first}")
    if audit.longer_rate is not None:
        parts.append(f"the longer in {_percent(audit.longer_rate)}{_biased(audit.longer_rate)}")
    if audit.controls:
        parts.append(f"controls {audit.control_errors} of {audit.controls} wrong")
    if audit.unscored:
        parts.append(f"{counted(audit.unscored, 'time')} no verdict")
    return "the judge judged: " + "; ".join(parts)


def _biased(rate: Interval) -> str:
    return ", more than chance" if rate.low is not None and rate.low > _BIAS_SHOWN else ""


def _percent(rate: Interval) -> str:
    if rate.low is None or rate.high is None:
        return f"{rate.value:.0%}"
    return f"{rate.value:.0%} ({rate.low * 100:.0f}–{rate.high:.0%})"

"""Statistics of measurements and of paired answers, each with the source of its formula. Pure.

Samples are small here: a model is timed six times, a prompt suite has forty cases. So every
function says how sure it is, and returns None if the sample cannot say.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from statistics import NormalDist, fmean, median, stdev

from localai.dataclass import dataclass

FEWEST_CASES = 6
"""A statistic of fewer cases has no interval."""
_CONFIDENCE = 0.95
_Z_TWO_SIDED = NormalDist().inv_cdf(0.975)
_Z_POWER = NormalDist().inv_cdf(0.8)
_EXACT_TREND = 30


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the bounds of its confidence interval; the bounds are None with too few
    samples."""

    value: float
    low: float | None
    high: float | None

    @property
    def half_width(self) -> float | None:
        """Half of the interval's width, in the unit of the value."""
        if self.low is None or self.high is None:
            return None
        return (self.high - self.low) / 2

    def excludes(self, value: float) -> bool:
        """Whether `value` lies outside the interval; False if there is no interval."""
        return self.low is not None and self.high is not None and not self.low <= value <= self.high


def median_interval(samples: Sequence[float], confidence: float = _CONFIDENCE) -> Interval:
    """The median with an interval from order statistics: exact for any distribution.

    The k-th smallest and k-th largest samples cover the median with probability
    1 - 2 P(Binomial(n, 1/2) < k); k is the largest that keeps `confidence`. Fewer than six samples
    cannot reach 95%, so there are no bounds. (David and Nagaraja, Order Statistics, section 7.1;
    a bootstrap's interval of a median covers 78% at three samples.) Raises ValueError for none.
    """
    ordered = sorted(samples)
    count = len(ordered)
    if not ordered:
        raise ValueError("the median of no samples")
    tail, rank = 0.0, 0
    while rank < count // 2:
        tail += math.comb(count, rank) / 2**count
        if 1 - 2 * tail < confidence:
            break
        rank += 1
    if rank == 0:
        return Interval(median(ordered), None, None)
    return Interval(median(ordered), ordered[rank - 1], ordered[count - rank])


def mean_interval(samples: Sequence[float]) -> Interval:
    """The mean with the interval of the normal distribution: for hundreds of samples, whose mean is
    normal whatever they are. No bounds below thirty. Raises ValueError for none."""
    if not samples:
        raise ValueError("the mean of no samples")
    mean = fmean(samples)
    if len(samples) < 30:
        return Interval(mean, None, None)
    half = _Z_TWO_SIDED * stdev(samples) / math.sqrt(len(samples))
    return Interval(mean, mean - half, mean + half)


def quantile(samples: Sequence[float], fraction: float) -> float:
    """The quantile at `fraction` (0 to 1), linear between samples (Hyndman and Fan's type 7).

    Raises ValueError for no samples.
    """
    if not samples:
        raise ValueError("a quantile of no samples")
    ordered = sorted(samples)
    position = fraction * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def slope(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """The Theil-Sen slope of `ys` over `xs`: the median over all pairs; None if all `xs` are equal.

    One bad measurement out of four does not move it (Sen 1968).
    """
    slopes = [
        (y2 - y1) / (x2 - x1)
        for i, (x1, y1) in enumerate(zip(xs, ys, strict=True))
        for x2, y2 in list(zip(xs, ys, strict=True))[i + 1 :]
        if x1 != x2
    ]
    return median(slopes) if slopes else None


def relative_change(
    before: Sequence[float], after: Sequence[float], confidence: float = _CONFIDENCE
) -> Interval:
    """How much larger `after` is than `before`, as a fraction (-0.06: 6% less), from pairs.

    The samples at one index were taken one after the other, so a disturbance of the machine affects
    both. The interval is that of the median log ratio, which a drift over the run does not widen.
    Raises ValueError if the lengths differ or a sample is not positive.
    """
    ratios = [math.log(b / a) for a, b in zip(before, after, strict=True)]
    of_logs = median_interval(ratios, confidence)

    def change(ratio: float | None) -> float | None:
        return None if ratio is None else math.expm1(ratio)

    return Interval(math.expm1(of_logs.value), change(of_logs.low), change(of_logs.high))


def unpaired_change(
    before: Sequence[float], after: Sequence[float], confidence: float = _CONFIDENCE
) -> Interval:
    """How much larger `after` is than `before`, as a fraction, from two independent samples.

    Hodges and Lehmann's estimate on logarithms, the median of all ratios, with the exact interval
    of Mann and Whitney's test (Lehmann 1963). It assumes only that the two distributions have the
    same shape. No bounds with too few samples (3 and 3 cannot reach 95%, 4 and 4 can). Raises
    ValueError for no samples or one that is not positive.
    """
    if not before or not after:
        raise ValueError("the change of no samples")
    logs = sorted(math.log(b) - math.log(a) for a in before for b in after)
    estimate = math.expm1(median(logs))
    tail, rank = 0.0, 0
    for count in _rank_sum_counts(len(before), len(after)):
        tail += count
        if 1 - 2 * tail < confidence or rank + 1 > len(logs) // 2:
            break
        rank += 1
    if rank == 0:
        return Interval(estimate, None, None)
    return Interval(estimate, math.expm1(logs[rank - 1]), math.expm1(logs[len(logs) - rank]))


def mann_whitney(before: Sequence[float], after: Sequence[float]) -> float:
    """The exact two-sided p-value of Mann and Whitney's test (1947); equal values count half.

    Raises ValueError for no samples.
    """
    if not before or not after:
        raise ValueError("a test of no samples")
    larger = sum((b > a) + (b == a) / 2 for a in before for b in after)
    smaller = min(larger, len(before) * len(after) - larger)
    shares = _rank_sum_counts(len(before), len(after))
    return min(1.0, 2 * sum(shares[: math.floor(smaller) + 1]))


@cache
def _rank_sum_counts(one: int, other: int) -> tuple[float, ...]:
    """The probability of each value of Mann and Whitney's U, from 0 on, by their recursion."""
    counts = [[1] + [0] * (one * other) for _ in range(other + 1)]
    for _ in range(one):
        for m in range(1, other + 1):
            without = counts[m]
            counts[m] = [
                (counts[m - 1][u]) + (without[u - m] if u >= m else 0)
                for u in range(one * other + 1)
            ]
    total = math.comb(one + other, one)
    return tuple(count / total for count in counts[other])


def mann_kendall(values: Sequence[float]) -> float:
    """The two-sided p-value of Mann's and Kendall's test for a trend (Mann 1945): are later values
    larger, or smaller, more often than by chance? Equal values count half. Exact up to 30 values,
    by the normal distribution beyond."""
    count = len(values)
    pairs = count * (count - 1) // 2
    rising = sum((b > a) + (b == a) / 2 for i, a in enumerate(values) for b in values[i + 1 :])
    fewer = min(rising, pairs - rising)
    if count > _EXACT_TREND:
        deviation = math.sqrt(pairs * (2 * count + 5) / 36)
        return min(1.0, 2 * NormalDist(pairs / 2, deviation).cdf(fewer + 0.5))
    return min(1.0, 2 * sum(_inversion_shares(count)[: math.floor(fewer) + 1]))


@cache
def _inversion_shares(count: int) -> tuple[float, ...]:
    """The share of the orders of `count` values that have 0, 1, 2, … pairs in the wrong order."""
    shares = [1.0]
    for size in range(2, count + 1):
        longer = [0.0] * (len(shares) + size - 1)
        for inversions, share in enumerate(shares):
            for more in range(size):
                longer[inversions + more] += share / size
        shares = longer
    return tuple(shares)


def wilson(passed: int, total: int, confidence: float = _CONFIDENCE) -> Interval:
    """A pass rate with Wilson's score interval (Wilson 1927), which holds at 0% and 100% too.

    Raises ValueError for no cases.
    """
    if total <= 0:
        raise ValueError("the rate of no cases")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = passed / total
    middle = (rate + z * z / (2 * total)) / (1 + z * z / total)
    spread = z * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    spread /= 1 + z * z / total
    return Interval(rate, max(0.0, middle - spread), min(1.0, middle + spread))


def mcnemar(only_a: int, only_b: int) -> float:
    """The two-sided p-value of McNemar's exact test, from the cases that only one side passed.

    Cases that both passed or both failed say nothing about a difference (McNemar 1947).
    """
    discordant = only_a + only_b
    fewer = min(only_a, only_b)
    tail = sum(math.comb(discordant, k) for k in range(fewer + 1))
    return min(1.0, 2 * tail / (1 << discordant))


def cases_needed(only_a: int, only_b: int, cases: int) -> int | None:
    """About how many cases would tell the two sides apart, if they continue to differ like this.

    For 80% power at 5% significance: n = (1.96 √d + 0.84 √(d − δ²))² / δ² with the share of
    discordant cases d and the gap δ (Connor 1987). McNemar's exact test is stricter than the
    formula's and reaches 72% to 80% with as many. None if there is no gap.
    """
    if cases <= 0 or only_a == only_b:
        return None
    discordant = (only_a + only_b) / cases
    gap = abs(only_a - only_b) / cases
    root = _Z_TWO_SIDED * math.sqrt(discordant) + _Z_POWER * math.sqrt(discordant - gap * gap)
    return math.ceil((root / gap) ** 2)


def bootstrap_by_case(
    values: Sequence[float],
    statistic: Callable[[Sequence[float]], float] = fmean,
    *,
    draws: int = 2000,
    confidence: float = _CONFIDENCE,
    seed: int = 0,
) -> Interval:
    """A statistic of one value a case, with its percentile bootstrap interval (Efron 1979).

    Cases are drawn, so repeats of a case must be averaged before. For a comparison the values are
    the differences by case. With fewer than `FEWEST_CASES` there are no bounds. Raises ValueError
    for no cases.
    """
    if not values:
        raise ValueError("a statistic of no cases")
    if len(values) < FEWEST_CASES:
        return Interval(statistic(values), None, None)
    generator = random.Random(seed)
    drawn = [statistic(generator.choices(values, k=len(values))) for _ in range(draws)]
    outside = (1 - confidence) / 2
    return Interval(statistic(values), quantile(drawn, outside), quantile(drawn, 1 - outside))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for having made that many tests (Holm 1979), in the order given."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def bradley_terry(
    wins: Mapping[tuple[str, str], float], *, prior: float = 0.1, steps: int = 1000
) -> dict[str, float]:
    """The strength of each player on a log scale whose mean is 0, from wins over each other.

    `wins[a, b]` is how often a beat b; a tie is half a win of each. Hunter's MM algorithm (2004).
    Each player gets `prior` wins over each other one, so that the strength of one who won or lost
    all stays finite.
    """
    players = sorted({player for pair in wins for player in pair})
    won = {(a, b): wins.get((a, b), 0.0) + prior for a in players for b in players if a != b}
    strength = dict.fromkeys(players, 1.0)
    for _ in range(steps):
        new = {}
        for a in players:
            others = [b for b in players if b != a]
            games = sum((won[a, b] + won[b, a]) / (strength[a] + strength[b]) for b in others)
            new[a] = sum(won[a, b] for b in others) / games if others else 1.0
        scale = math.exp(fmean(math.log(value) for value in new.values()))
        new = {player: value / scale for player, value in new.items()}
        moved = max(abs(math.log(new[player] / strength[player])) for player in players)
        strength = new
        if moved < 1e-10:
            break
    return {player: math.log(value) for player, value in strength.items()}


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's κ of two raters' labels: agreement beyond chance, 1 is full; None where chance is 1.

    (Cohen 1960.) Raises ValueError for no pairs.
    """
    if not pairs:
        raise ValueError("the agreement of no pairs")
    count = len(pairs)
    agreed = sum(a == b for a, b in pairs) / count
    labels = {label for pair in pairs for label in pair}
    by_chance = sum(
        sum(a == label for a, _ in pairs) * sum(b == label for _, b in pairs) for label in labels
    ) / (count * count)
    return None if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)

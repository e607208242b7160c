"""The statistics, against scipy and choix, by simulation where coverage is promised."""

from __future__ import annotations

import itertools
import math
import random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.statistics import (
    Interval,
    bootstrap_by_case,
    bradley_terry,
    cases_needed,
    holm,
    kappa,
    mann_kendall,
    mann_whitney,
    mcnemar,
    median_interval,
    quantile,
    relative_change,
    slope,
    unpaired_change,
    wilson,
)

SAMPLES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("count", "low_rank"), [(5, None), (6, 1), (8, 1), (9, 2), (12, 3), (20, 6), (30, 10)]
)
def test_a_median_has_the_bounds_of_the_tables(count: int, low_rank: int | None) -> None:
    """Ranks as in Conover, Practical Nonparametric Statistics."""
    found = median_interval([float(number) for number in range(1, count + 1)])
    assert found.value == (count + 1) / 2
    assert found.low == low_rank
    assert found.high == (None if low_rank is None else count + 1 - low_rank)


@given(SAMPLES)
def test_a_median_lies_within_its_bounds_whatever_the_order(samples: list[float]) -> None:
    found = median_interval(samples)
    assert found == median_interval(samples[::-1])
    assert found.value == median(samples)
    if found.low is not None and found.high is not None:
        assert found.low <= found.value <= found.high


def test_the_interval_of_a_median_covers_it_as_often_as_promised() -> None:
    generator = random.Random(7)
    covered = 0
    for _ in range(2000):
        # Skewed, as times are.
        found = median_interval([generator.lognormvariate(0, 0.5) for _ in range(8)])
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 1 <= found.high
    assert covered / 2000 >= 0.94


@pytest.mark.parametrize("total", [10, 40, 200])
def test_wilsons_interval_covers_a_rate_as_often_as_promised(total: int) -> None:
    import scipy.stats

    """Exactly, by the binomial distribution: on average over the rates, as it is known for."""

    def coverage(rate: float) -> float:
        return sum(
            float(scipy.stats.binom.pmf(passed, total, rate))
            for passed in range(total + 1)
            if (found := wilson(passed, total)).low is not None
            and found.high is not None
            and found.low <= rate <= found.high
        )

    rates = [number / 50 for number in range(1, 50)]
    each = [coverage(rate) for rate in rates]
    assert sum(each) / len(each) == pytest.approx(0.95, abs=0.01)
    assert min(each) > 0.83


@given(SAMPLES, st.floats(0, 1))
def test_quantiles_agree_with_scipy(samples: list[float], fraction: float) -> None:
    import scipy.stats

    oracle = float(scipy.stats.mstats.mquantiles(samples, [fraction], alphap=1, betap=1)[0])
    assert quantile(samples, fraction) == pytest.approx(oracle, rel=1e-9, abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(-100, 100)), min_size=2, max_size=20))
def test_the_slope_agrees_with_scipy(points: list[tuple[float, float]]) -> None:
    import scipy.stats

    xs, ys = [x for x, _ in points], [y for _, y in points]
    found = slope(xs, ys)
    if len(set(xs)) == 1:
        assert found is None
        return
    assert found == pytest.approx(scipy.stats.theilslopes(ys, xs).slope, rel=1e-6, abs=1e-6)


def test_one_wild_sample_does_not_move_the_slope() -> None:
    assert slope([1, 2, 3, 4, 5], [10, 20, 30, 40, 5000]) == pytest.approx(10, rel=0.01)


def test_a_change_is_relative_and_from_pairs() -> None:
    before = [100.0, 110, 90, 105, 95, 100, 120, 80, 101, 99]
    found = relative_change(before, [each * 0.94 for each in before])
    assert found.value == pytest.approx(-0.06)
    assert found.low == pytest.approx(-0.06)
    assert found.excludes(0)
    with pytest.raises(ValueError, match=r"longer|shorter"):
        relative_change(before, before[1:])


def test_a_drift_over_the_run_is_not_taken_for_a_change() -> None:
    generator = random.Random(3)
    alarms, widest = 0, 0.0
    for _ in range(300):
        drift = [100 * 0.99**number for number in range(12)]
        before = [each * generator.gauss(1, 0.01) for each in drift]
        after = [each * generator.gauss(1, 0.01) for each in drift]
        found = relative_change(before, after)
        alarms += found.excludes(0)
        widest = max(widest, found.half_width or math.inf)
    assert alarms / 300 <= 0.07
    # The drift alone is 11%.
    assert widest < 0.03


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_scipy(counts: tuple[int, int]) -> None:
    import scipy.stats

    passed, total = counts
    oracle = scipy.stats.binomtest(passed, total).proportion_ci(method="wilson")
    found = wilson(passed, total)
    assert found.value == passed / total
    assert found.low == pytest.approx(oracle.low, abs=1e-9)
    assert found.high == pytest.approx(oracle.high, abs=1e-9)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"), [(5, 0, 0.0625), (6, 0, 0.03125), (0, 0, 1.0), (3, 3, 1.0)]
)
def test_mcnemar_is_the_exact_one(only_a: int, only_b: int, p: float) -> None:
    assert mcnemar(only_a, only_b) == p
    assert mcnemar(only_b, only_a) == p


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_agrees_with_scipy(only_a: int, only_b: int) -> None:
    import scipy.stats

    oracle = scipy.stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(oracle, abs=1e-9)


def test_the_cases_needed_do_tell_apart_in_three_of_four_runs() -> None:
    needed = cases_needed(only_a=9, only_b=3, cases=40)
    assert needed is not None
    generator, found, runs = random.Random(5), 0, 400
    for _ in range(runs):
        drawn = generator.choices("ab=", weights=[9, 3, 28], k=needed)
        found += mcnemar(drawn.count("a"), drawn.count("b")) < 0.05
    assert 0.68 <= found / runs <= 0.9
    assert cases_needed(4, 4, 40) is None
    assert cases_needed(0, 0, 0) is None


def test_the_bootstrap_covers_the_mean_as_often_as_promised() -> None:
    generator = random.Random(11)
    covered = 0
    for number in range(300):
        values = [generator.gauss(0.1, 1) for _ in range(40)]
        found = bootstrap_by_case(values, draws=400, seed=number)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.1 <= found.high
    assert 0.9 <= covered / 300 <= 0.98


def test_the_bootstrap_repeats_itself_and_knows_when_it_cannot_say() -> None:
    values = [1.0, 0, 1, 1, 0, 1, 1]
    assert bootstrap_by_case(values) == bootstrap_by_case(values)
    assert bootstrap_by_case(values[:5]) == Interval(0.6, None, None)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_rejects_more_than_the_plain_tests(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(plain <= new <= 1 for plain, new in zip(p_values, adjusted, strict=True))
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [adjusted[i] for i in order] == sorted(adjusted)


def test_holm_on_its_textbook_example() -> None:
    """Holm 1979 as in R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_bradley_terry_agrees_with_choix() -> None:
    import choix

    names = ["a", "b", "c", "d"]
    counts = [[0, 7, 9, 12], [3, 0, 6, 8], [1, 4, 0, 5], [2, 2, 5, 0]]
    wins = {
        (names[i], names[j]): float(counts[i][j]) for i, j in itertools.permutations(range(4), 2)
    }
    data = [(i, j) for i, j in itertools.permutations(range(4), 2) for _ in range(counts[i][j])]
    oracle = choix.ilsr_pairwise(4, data, alpha=0)
    found = bradley_terry(wins, prior=0)
    assert [found[name] for name in names] == pytest.approx(list(oracle), abs=1e-5)


def test_bradley_terry_stays_finite_for_who_won_everything() -> None:
    found = bradley_terry({("a", "b"): 10, ("b", "c"): 10, ("a", "c"): 10})
    assert found["a"] > found["b"] > found["c"]
    assert all(math.isfinite(value) for value in found.values())
    assert sum(found.values()) == pytest.approx(0)


def test_kappa_is_agreement_beyond_chance() -> None:
    """Cohen's example in Fleiss, Statistical Methods for Rates: 0.4 for 20, 5, 10, 15."""
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert kappa(pairs) == pytest.approx(0.4)
    assert kappa([("y", "y")] * 5) is None


def test_an_unpaired_change_is_that_of_the_median_ratio() -> None:
    before = [10.0, 11, 12, 13, 14, 15]
    change = unpaired_change(before, [0.9 * each for each in before])
    assert change.value == pytest.approx(-0.1, abs=0.001)
    assert change.low is not None
    assert change.high is not None
    assert change.low < -0.1 < change.high
    assert unpaired_change([1.0, 2, 3], [1.0, 2, 3]).low is None


def test_an_interval_that_covers_just_what_is_asked_is_given() -> None:
    """Of one value among three others each rank has a quarter, so that the outer two cover half."""
    change = unpaired_change([1.0], [1.0, 2.0, 4.0], confidence=0.5)
    assert change.low == pytest.approx(0)
    assert change.high == pytest.approx(3)
    assert unpaired_change([1.0], [1.0, 2.0, 4.0], confidence=0.51).low is None


def test_the_unpaired_interval_covers_what_it_says() -> None:
    source = random.Random(5)

    def covers() -> bool:
        one = [math.exp(source.gauss(0, 0.1)) for _ in range(6)]
        two = [1.2 * math.exp(source.gauss(0, 0.1)) for _ in range(8)]
        return not unpaired_change(one, two).excludes(0.2)

    assert sum(covers() for _ in range(1000)) >= 940


def test_mann_kendalls_p_value_is_the_share_of_orders_with_as_much_of_a_trend() -> None:
    assert mann_kendall([1.0, 2, 3, 4, 5, 6]) == pytest.approx(2 / 720)
    assert mann_kendall([6.0, 5, 4, 3, 2, 1]) == pytest.approx(2 / 720)
    # 1,230 of 40,320 orders on either side, counted one by one
    assert mann_kendall([3.0, 1, 4, 2, 6, 8, 5, 7]) == pytest.approx(0.0610119, rel=1e-5)
    assert mann_kendall([2.0, 2, 2, 2, 2, 2]) == 1.0
    assert mann_kendall([1.0]) == 1.0


def test_a_trend_of_many_values_is_tested_by_the_normal_distribution() -> None:
    zigzag = [float(number ^ 5) for number in range(30)]
    exact, approximate = mann_kendall(zigzag[:30]), mann_kendall([*zigzag[:15], 7.5, *zigzag[15:]])
    assert 0 < exact < 1e-6
    assert 0 < approximate < 1e-6
    flat = [float(number % 7) for number in range(300)]
    assert mann_kendall(flat) > 0.5


def test_mann_whitneys_p_value_is_scipys() -> None:
    import scipy.stats

    one, two = [1.0, 4, 5, 9, 2], [3.0, 6, 8, 10, 11, 12]
    expected = scipy.stats.mannwhitneyu(one, two, method="exact").pvalue
    assert mann_whitney(one, two) == pytest.approx(expected)
    assert mann_whitney([1.0, 2, 3], [1.0, 2, 3]) == 1.0

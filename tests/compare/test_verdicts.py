"""What the statistics of a comparison are said to show."""

from __future__ import annotations

import pytest

from localai.compare.results import Pair
from localai.compare.verdicts import ModelChange, change_text, p_text, pair_verdict

TOO_FEW = "and no number this small can decide (6 to 0 is the least)"


def pair(
    only_a: int, only_b: int, both: int, neither: int, p_value: float, needed: int | None = None
) -> Pair:
    return Pair("a", "b", only_a, only_b, both, neither, p_value, needed, None)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (pair(0, 0, 0, 0, 1.0), "no case was judged for both"),
        (pair(0, 0, 3, 1, 1.0), "the same outcome in all 4 cases"),
        (pair(9, 1, 5, 5, 0.021), "a is better: 9 to 1 of 20 cases, p 0.021"),
        (pair(1, 12, 5, 2, 0.0005), "b is better: 12 to 1 of 20 cases, p < 0.001"),
        (pair(2, 2, 5, 1, 1.0), f"a 70%, b 70%, n 10: not told apart (2 to 2, {TOO_FEW})"),
        (pair(4, 2, 3, 1, 0.69), "a 70%, b 50%, n 10: not told apart (4 to 2, p 0.690)"),
        (
            pair(4, 2, 3, 1, 0.69, 1200),
            "a 70%, b 50%, n 10: not told apart (4 to 2, p 0.690; about 1,200 cases would tell)",
        ),
    ],
)
def test_two_models_are_told_apart_or_not(found: Pair, said: str) -> None:
    assert pair_verdict(found) == said


def test_models_are_called_as_they_are_named() -> None:
    names = {"a": "qwen", "b": "llama"}
    assert pair_verdict(pair(9, 1, 5, 5, 0.021), names).startswith("qwen is better")


def test_a_probability_is_said_with_three_places() -> None:
    assert [p_text(value) for value in (0.0009, 0.001, 0.5)] == ["p < 0.001", "p 0.001", "p 0.500"]


@pytest.mark.parametrize(
    ("failed", "passed", "p_value", "regression", "said"),
    [
        (8, 0, 0.008, True, "m: worse, 8 newly failed, 0 newly passed of 20, p 0.008"),
        (0, 8, 0.008, False, "m: better, 0 newly failed, 8 newly passed of 20, p 0.008"),
        (3, 1, 0.625, False, "m: 3 newly failed, 1 newly passed of 20: may be an accident"),
        (0, 0, 1.0, False, "m: the same in all 20 cases"),
    ],
)
def test_a_regression_is_worse_and_no_accident(
    failed: int, passed: int, p_value: float, regression: bool, said: str
) -> None:
    change = ModelChange("m", ("x",) * failed, ("y",) * passed, p_value, 20)
    assert change.is_regression == regression
    assert change_text(change).startswith(said)

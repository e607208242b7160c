"""The share of something that is said in steps: it moves between them, and never runs ahead."""

from __future__ import annotations

import pytest

from localai.output.step_share import StepShare


def test_the_share_moves_each_second_between_two_steps_and_stops_at_the_end_of_the_next() -> None:
    now = 100.0
    share = StepShare(lambda: now)
    share.reached(0.0)
    now = 110.0
    assert share.now() == 0.0, "nothing is known of its speed"
    share.reached(0.2)
    seen = []
    for second in range(1, 14):
        now = 110.0 + second
        seen.append(round(share.now(), 3))
    assert seen[:9] == [0.22, 0.24, 0.26, 0.28, 0.3, 0.32, 0.34, 0.36, 0.38]
    assert set(seen[9:]) == {0.4}, "the engine has not said that the step is done"
    share.reached(0.35)
    assert share.now() == pytest.approx(0.35)


def test_what_was_cached_is_no_step_and_the_last_hundredth_is_not_guessed() -> None:
    now = 0.0
    share = StepShare(lambda: now)
    share.reached(0.8)
    now = 5.0
    assert share.now() == 0.8
    share.reached(0.9)
    now = 1000.0
    assert share.now() == 0.99
    share.reached(1.0)
    assert share.now() == 1.0

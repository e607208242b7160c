"""Waiting for a busy provider: how long, how often, and that it is seen."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from time import time

import pytest

from localai.errors import ProviderRefused, Unreachable
from localai.events import Loading
from localai.net.retry import ATTEMPTS, Busy, retry_after_s, retry_while_busy


def busy(seconds: float | None) -> Busy:
    return Busy("it is rate limited", ProviderRefused("rate limited"), seconds)


def play(outcomes: list[Busy | str]) -> tuple[list[str], list[float], str]:
    """What was shown, how long it slept at a time, and what came of it."""
    slept: list[float] = []
    shown: list[str] = []

    def attempt() -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Busy):
            raise outcome
        return outcome

    waiting = retry_while_busy(attempt, slept.append)
    while True:
        try:
            event = next(waiting)
        except StopIteration as end:
            return shown, slept, end.value
        assert isinstance(event, Loading)
        shown.append(event.message)


def test_the_wait_that_is_asked_for_is_counted_down() -> None:
    shown, slept, result = play([busy(2.5), "here"])
    assert shown == [f"it is rate limited: retrying in {n} s" for n in (3, 2, 1)]
    assert sum(slept) == 2.5
    assert result == "here"


def test_without_a_wait_asked_for_the_pauses_double() -> None:
    _, slept, _ = play([busy(None), busy(None), busy(None), "here"])
    assert sum(slept) == 1 + 2 + 4


def test_it_gives_up_after_some_attempts() -> None:
    outcomes: list[Busy | str] = [busy(0.1) for _ in range(ATTEMPTS)]
    with pytest.raises(ProviderRefused):
        play([*outcomes, "never"])


def test_it_does_not_wait_longer_than_a_person_would() -> None:
    with pytest.raises(ProviderRefused) as caught:
        play([busy(90.0), busy(90.0), "never"])
    assert caught.value.hint == "try again in 90 s"


def test_other_errors_pass() -> None:
    def attempt() -> str:
        raise Unreachable("gone")

    with pytest.raises(Unreachable):
        list(retry_while_busy(attempt))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (lambda: {"retry-after": "7"}, 7.0),
        (lambda: {"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        (lambda: {"retry-after": formatdate(time() + 30, usegmt=True)}, 30.0),
        (lambda: {"retry-after": "-5"}, 0.0),
        (lambda: {"retry-after": "soon"}, None),
        (lambda: {"retry-after": "nan"}, None),
        (dict, None),
    ],
)
def test_what_headers_ask_for(headers: Callable[[], dict[str, str]], seconds: float | None) -> None:
    assert retry_after_s(headers()) == (None if seconds is None else pytest.approx(seconds, abs=2))

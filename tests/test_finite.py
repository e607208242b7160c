"""A whole number that no float can hold is an error of what it stands in, or unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from localai.compare.checks.check import number_of
from localai.compare.suite.promptfoo_assertions import expectation_of
from localai.config.settings import parse_value
from localai.errors import InvalidInput
from localai.hardware.facts import from_json
from localai.wires.loose import logprobs_of
from localai.wires.ollama.server import keep_alive_s

HUGE = 10**400


@pytest.mark.parametrize(
    "read",
    [
        lambda: number_of("max_words", HUGE),
        lambda: parse_value("engine.keep_alive", HUGE, "config.toml"),
        lambda: from_json({"memory": {"total_bytes": {"value": HUGE}}}, "a profile"),
        lambda: from_json({"cpu": {"load": {"value": HUGE}}}, "a profile"),
        lambda: keep_alive_s("1.2.3s"),
        lambda: keep_alive_s(float("nan")),
    ],
)
def test_it_is_refused_in_words(read: Callable[[], Any]) -> None:
    with pytest.raises(InvalidInput):
        read()


def test_it_is_for_ever_where_that_is_a_time() -> None:
    assert keep_alive_s(HUGE) == keep_alive_s(-1) == float("inf")
    for seconds in (-1, -HUGE):
        assert parse_value("engine.keep_alive", seconds, "config.toml") == float("inf")
    assert keep_alive_s("1.5h30m") == 7200
    assert keep_alive_s(".5s") == 0.5


def test_a_probability_of_it_is_left_out() -> None:
    token = {"token": "a", "logprob": HUGE, "top_logprobs": []}
    assert list(logprobs_of({"content": [token]}["content"])) == []


def test_an_assertion_with_it_is_not_taken() -> None:
    taken = expectation_of({"type": "latency", "threshold": 5000})
    assert isinstance(taken, dict)
    assert isinstance(expectation_of({"type": "latency", "threshold": HUGE}), str)

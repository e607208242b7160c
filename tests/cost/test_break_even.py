"""When a machine has paid for itself: the decision record's figure, and where it fails."""

from __future__ import annotations

import pytest

from localai.cost.break_even import (
    BreakEven,
    MachineCost,
    assumed_work,
    break_even,
    list_price,
    measured_work,
)
from localai.database import UsageRow
from localai.errors import InvalidInput
from localai.events import Usage

MACHINE = MachineCost(price=3500, watts=60, kwh=0.30, years=3, resale=0)
SPEED = (600.0, 50.0)


def hours(against: str, ratio: tuple[float, float], cached: float = 0.0) -> float:
    found = break_even(MACHINE, assumed_work(ratio, SPEED, against, cached=cached), against)
    assert found.hours is not None
    return found.hours


# Worked out by hand for one row: 10 tokens in to 1 out take 10/600 + 1/50 s, so an hour has 98,182
# answers' tokens and ten times as many of prompts: $4.909 + $2.945 - $0.018 a saved hour, $3,500.
@pytest.mark.parametrize(
    ("ratio", "gpt", "sonnet", "turbo", "mini"),
    [
        ((1, 1), 604, 1177, 528, 9836),
        ((4, 1), 520, 965, 371, 9044),
        ((10, 1), 447, 795, 275, 8258),
        ((20, 1), 400, 694, 226, 7701),
    ],
)
def test_the_table_of_the_guide(
    ratio: tuple[float, float], gpt: float, sonnet: float, turbo: float, mini: float
) -> None:
    assert round(hours("openai/gpt-5.5", ratio)) == gpt
    assert round(hours("anthropic/claude-sonnet-4-5", ratio)) == sonnet
    assert round(hours("openai/gpt-4-turbo", ratio)) == turbo
    assert round(hours("openai/gpt-5-mini", ratio)) == mini


def test_cached_input_makes_the_cloud_cheaper_and_the_way_longer() -> None:
    assert round(hours("openai/gpt-5.5", (1, 1), cached=0.9)) == 683
    assert round(hours("openai/gpt-5.5", (20, 1), cached=0.9)) == 1064


def test_what_it_brings_in_the_end_shortens_the_way() -> None:
    work = assumed_work((10, 1), SPEED, "openai/gpt-5.5")
    sold = MachineCost(price=3500, watts=60, kwh=0.30, years=3, resale=0.3)
    assert break_even(sold, work, "x").hours == pytest.approx(0.7 * 446.6, abs=0.5)


def test_a_machine_whose_energy_costs_as_much_never_pays() -> None:
    hungry = MachineCost(price=100, watts=100_000, kwh=1, years=3, resale=0)
    found = break_even(hungry, assumed_work((1, 1), SPEED, "openai/gpt-5-mini"), "x")
    assert isinstance(found, BreakEven)
    assert found.hours is None


def call(zone: str | None, usage: Usage, total_s: float | None) -> UsageRow:
    return UsageRow(0, "chat", "llamacpp", "m", zone, usage, total_s)


def test_an_hour_is_measured_on_what_this_machine_computed() -> None:
    rows = [
        call("device", Usage(1_000_000, 100_000, 0), 1800),
        call("device", Usage(1_000_000, 100_000, 0), 1800),
        call("cloud", Usage(9_999_999, 9_999_999, 0), 3600),
        call("device", Usage(5, 5), None),
    ]
    work = measured_work(rows, "openai/gpt-5-mini")
    assert (work.tokens_in, work.tokens_out) == (2_000_000, 200_000)
    # $0.25 and $2 a million.
    assert work.cloud_cost == pytest.approx(0.9)
    assert work.basis == "2 calls of this machine in 1.00 busy hours"


def test_nothing_measured_and_no_price_are_said() -> None:
    with pytest.raises(InvalidInput, match="no call that this machine computed"):
        measured_work([call("cloud", Usage(1, 1), 1)], "openai/gpt-5.5")
    with pytest.raises(InvalidInput, match="names no cloud"):
        list_price("gpt-5.5", Usage(1, 1))
    with pytest.raises(InvalidInput, match="the price of openai/nobody-knows-it is unknown"):
        list_price("openai/nobody-knows-it", Usage(1, 1))

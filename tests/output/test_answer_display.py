"""What is said of an answer after it: what is unknown is left out, and is never shown as zero."""

from __future__ import annotations

from decimal import Decimal

import pytest

from localai.answers import Answer
from localai.cost.prices import Cost
from localai.events import Done, Locality, Timings, Usage
from localai.output.answer_display import usage_line, usage_lines
from localai.types import ResolvedModel, Zone

UNPRICED = Cost(None, "USD", "no price is known")


def answer(usage: Usage, timings: Timings, zone: Zone | None = Zone.LAN) -> Answer:
    done = Done("stop", usage, timings, Locality(zone, "its address"))
    return Answer(ResolvedModel("farm", "m", zone, "its address"), "hi", "", done)


@pytest.mark.parametrize(
    ("usage", "line", "numbers"),
    [
        (Usage(12, 1_234), "12 tokens in, 1,234 out", "12 tokens in · 1,234 out"),
        (Usage(0, 0), "0 tokens in, 0 out", "0 tokens in · 0 out"),
        (Usage(12, None), None, "12 tokens in"),
        (Usage(None, 5), None, "5 out"),
        (Usage(12, 5, cached_tokens=7), "12 tokens in, 5 out", "12 tokens in (7 cached) · 5 out"),
        (Usage(), None, ""),
    ],
)
def test_tokens_that_nobody_counted_are_not_zero(
    usage: Usage, line: str | None, numbers: str
) -> None:
    told = answer(usage, Timings())
    where = "farm/m · lan"
    assert usage_line(told, UNPRICED) == (where if line is None else f"{line} · {where}")
    assert usage_lines(told, UNPRICED)[0] == numbers


def test_times_and_cost_stand_where_they_are_known() -> None:
    timings = Timings(
        load_s=1.5,
        time_to_first_token_s=0.25,
        prefill_tokens=100,
        prefill_s=0.2,
        decode_tokens=50,
        decode_s=0.5,
    )
    told = answer(Usage(100, 51), timings, None)
    cost = Cost(Decimal("0.0021"), "USD", "a list")
    assert usage_line(told, cost) == (
        "100 tokens in, 51 out · first after 0.2 s · 100.0 tok/s · $0.0021 · farm/m · unproven"
    )
    assert usage_lines(told, cost)[0] == (
        "100 tokens in · 51 out · first token 0.25 s · load 1.50 s · prefill 500 tok/s"
        " · decode 100.0 tok/s · $0.0021"
    )

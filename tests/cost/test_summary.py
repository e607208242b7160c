"""Sums over calls: what is unknown is not counted as nothing."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest

from localai.cost.summary import overall, since, summarise
from localai.database import UsageRow
from localai.errors import InvalidInput
from localai.events import Usage

DAY_S = 86_400.0
THEN = datetime.datetime(2026, 11, 1, 12).timestamp()


def call(provider: str, model: str, zone: str | None, usage: Usage, at: float = THEN) -> UsageRow:
    return UsageRow(at, "chat", provider, model, zone, usage, total_s=1.0)


ROWS = [
    call("llamacpp", "smollm2", "device", Usage(10, 5)),
    call("openai", "gpt-4o-mini", "cloud", Usage(1_000_000, 1_000_000, 0)),
    call("llamacpp", "smollm2", "device", Usage(10, None), THEN + DAY_S),
    call("openai", "who-knows", "cloud", Usage(7, 3), THEN + DAY_S),
]


def test_by_model() -> None:
    local, mini, unknown = summarise(ROWS, "model", {})
    assert (local.key, local.calls, local.usage.input_tokens) == ("llamacpp/smollm2", 2, 20)
    assert local.usage.output_tokens == 5
    assert local.usage.cached_tokens is None
    assert (local.amount, local.unpriced) == (Decimal(0), 0)
    assert (mini.key, mini.amount) == ("openai/gpt-4o-mini", Decimal("0.75"))
    assert (unknown.amount, unknown.unpriced) == (None, 1)


def test_by_provider_says_how_much_of_a_sum_is_lacking() -> None:
    _, openai = summarise(ROWS, "provider", {})
    assert (openai.amount, openai.unpriced) == (Decimal("0.75"), 1)


def test_by_day() -> None:
    totals = summarise(ROWS, "day", {})
    assert [(total.key, total.calls) for total in totals] == [("2026-11-01", 2), ("2026-11-02", 2)]


def test_overall() -> None:
    total = overall(ROWS, {})
    assert (total.calls, total.usage.input_tokens, total.unpriced) == (4, 1_000_027, 1)
    assert total.bases[0] == "computed on this device"
    assert overall([], {}).amount is None


def test_since_takes_durations_and_dates() -> None:
    assert since("2d", 10 * DAY_S) == 8 * DAY_S
    assert since("-1", 10 * DAY_S) == 0
    assert since("2026-11-01", 0) == datetime.datetime(2026, 11, 1).timestamp()
    with pytest.raises(InvalidInput, match="2026-11-01"):
        since("yesterday", 0)

"""What a call cost: 0 only where it truly is, None where nobody knows."""

from __future__ import annotations

import datetime
import re
import sys
from decimal import Decimal

import pytest

from localai.cost import prices
from localai.cost.prices import price
from localai.events import Usage
from localai.units import money_text

THEN = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC).timestamp()
USAGE = Usage(1_000_000, 1_000_000)


@pytest.mark.parametrize("provider", ["llamacpp", "mlx", "ollama"])
def test_this_device_charges_nothing(provider: str) -> None:
    cost = price(provider, "x", "device", Usage(), THEN)
    assert (cost.amount, cost.basis) == (Decimal(0), "computed on this device")


@pytest.mark.parametrize(
    ("provider", "zone"),
    [
        ("lmstudio", None),  # it may have computed on another device
        ("work", "device"),  # a server of one's own may hand the prompt on
        ("work", "lan"),
        ("ollama", "cloud"),  # a subscription, not a price per token
    ],
)
def test_what_nobody_priced_is_unknown_and_not_free(provider: str, zone: str | None) -> None:
    assert price(provider, "x", zone, USAGE, THEN).amount is None


def test_list_prices_at_the_time_of_the_call() -> None:
    # gpt-4o-mini: $0.15 and $0.60 for a million tokens.
    cost = price("openai", "gpt-4o-mini", "cloud", USAGE, THEN)
    assert cost.amount == Decimal("0.75")
    assert cost.currency == "USD"
    assert re.search(r"genai-prices \S+, of \d{4}-\d\d-\d\d or older", cost.basis)


def test_cached_tokens_are_cheaper_and_written_ones_dearer() -> None:
    # claude-haiku-4-5: $1 for a million tokens in; a tenth from the cache, 1.25 into it.
    def dollars(usage: Usage) -> Decimal | None:
        return price("anthropic", "claude-haiku-4-5", "cloud", usage, THEN).amount

    assert dollars(Usage(1_000_000, 0)) == Decimal(1)
    assert dollars(Usage(1_000_000, 0, cached_tokens=1_000_000)) == Decimal("0.1")
    assert dollars(Usage(1_000_000, 0, cache_write_tokens=1_000_000)) == Decimal("1.25")


def test_an_endpoint_in_a_cloud_is_priced_by_its_address() -> None:
    url = "https://api.openai.com/v1"
    assert price("work", "gpt-4o-mini", "cloud", USAGE, THEN, url).amount == Decimal("0.75")
    other = price("work", "gpt-4o-mini", "cloud", USAGE, THEN, "https://llm.example.org/v1")
    assert other.amount is None


@pytest.mark.parametrize(
    ("model", "usage"),
    [
        ("no-such-model", USAGE),
        ("gpt-4o-mini", Usage(None, 5)),
        ("gpt-4o-mini", Usage(5, None)),
        ("gpt-4o-mini", Usage(5, 5, cached_tokens=10)),
    ],
)
def test_what_cannot_be_priced_is_unknown(model: str, usage: Usage) -> None:
    cost = price("openai", model, "cloud", usage, THEN)
    assert cost.amount is None
    assert cost.basis


def test_without_the_price_list_the_basis_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prices, "price_list", lambda: None)
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    cost = price("openai", "gpt-4o-mini", "cloud", USAGE, THEN)
    assert cost.amount is None
    assert "./install.sh --with-cloud" in cost.basis


def test_fractions_of_a_cent_are_seen() -> None:
    amounts = [None, "0", "0.0000001", "0.00002", "0.0021", "0.01", "0.1", "12.3", "3500"]
    shown = [money_text(None if amount is None else Decimal(amount)) for amount in amounts]
    assert shown == [
        *("–", "0", "<$0.000001", "$0.000020", "$0.0021"),
        *("$0.0100", "$0.1000", "$12.30", "$3,500.00"),
    ]

"""The cost of a call: nothing on this machine, the list price at a cloud, otherwise unknown.

The prices are those in the package `genai-prices`; nothing is downloaded. The package is slow to
import (130 ms), so it is imported only for a cloud's price.
"""

from __future__ import annotations

import datetime
import time
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from localai.dataclass import dataclass
from localai.events import Usage
from localai.providers.facts import ProviderFacts
from localai.providers.registry import declared_facts

if TYPE_CHECKING:
    from localai.answers import Answer
    from localai.config import Config

CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount in `currency`, None if unknown. `basis` names the price list, or the reason for an
    unknown amount."""

    amount: Decimal | None
    currency: str
    basis: str


def cost_of(answer: Answer, config: Config) -> Cost:
    """The cost of the answer, at today's prices."""
    model, zone = answer.model, answer.done.locality.zone
    endpoint = config.endpoints.get(model.provider)
    return price(
        model.provider,
        model.id,
        None if zone is None else zone.label,
        answer.done.usage,
        time.time(),
        None if endpoint is None else endpoint.url,
    )


def price(
    provider: str,
    model: str,
    zone: str | None,
    usage: Usage,
    at: float,
    url: str | None = None,
) -> Cost:
    """The cost of a call at the time `at` (seconds since the epoch).

    `zone` is where the call was computed: `device`, `lan`, `cloud`, or None for unproven. `url` is
    the endpoint's address if `provider` is a server of the user's config.
    """
    facts = declared_facts(provider) if url is None else ProviderFacts()
    if zone == "device" and facts.proves_device:
        return Cost(Decimal(0), CURRENCY, "computed on this device")
    if zone != "cloud" or (facts.price_list is None and url is None):
        return _unknown(f"no price is known for what {provider} computes")
    if usage.input_tokens is None or usage.output_tokens is None:
        return _unknown(f"{provider} did not say how many tokens it used")
    return _list_price(facts.price_list, model, usage, at, url)


def _list_price(provider: str | None, model: str, usage: Usage, at: float, url: str | None) -> Cost:
    source = price_list()
    if source is None:
        return _unknown("the package genai-prices is not installed: ./install.sh --with-cloud")
    import genai_prices

    try:
        calculated = genai_prices.calc_price(
            genai_prices.Usage(
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cache_read_tokens=usage.cached_tokens,
                cache_write_tokens=usage.cache_write_tokens,
            ),
            model,
            genai_request_timestamp=datetime.datetime.fromtimestamp(at, datetime.UTC),
            **({"provider_id": provider} if provider else {"provider_api_url": url}),
        )
    except LookupError:
        return _unknown(f"{source} has no price for {model}")
    except ValueError:
        return _unknown("the provider's token counts contradict each other")
    return Cost(calculated.total_price, CURRENCY, f"list prices of {source}")


def _unknown(basis: str) -> Cost:
    return Cost(None, CURRENCY, basis)


@cache
def price_list() -> str | None:
    """The name, version and date of the price list in use; None if it is not installed.

    The package does not date its data. The date is that of the package's file on this machine, and
    the prices cannot be newer.
    """
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec

    try:
        release = version("genai-prices")
    except PackageNotFoundError:
        return None
    package = find_spec("genai_prices")
    if package is None or package.origin is None:
        return None
    day = datetime.date.fromtimestamp(Path(package.origin).stat().st_mtime)
    return f"genai-prices {release}, of {day.isoformat()} or older"

"""Sums of usage and cost, by model, day or provider. Pure but for the price list's import."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Literal, assert_never

from localai.config import parse_age
from localai.cost.prices import Cost, price
from localai.database import UsageRow
from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.events import Usage

By = Literal["model", "day", "provider"]


@dataclass(frozen=True, slots=True)
class Total:
    """The sums over the calls that share a key.

    Each sum covers the calls whose number is known, and is None if no call's is. `amount` is in
    dollars; `unpriced` counts the calls whose price is unknown; `bases` are the calls' different
    `Cost.basis` texts.
    """

    key: str
    calls: int
    usage: Usage
    amount: Decimal | None
    unpriced: int
    bases: tuple[str, ...]


def summarise(rows: Iterable[UsageRow], by: By, urls: Mapping[str, str]) -> list[Total]:
    """A total for each key, in the order in which the keys first occurred.

    `urls` maps the config's endpoints to their addresses, which decide whose prices apply.
    """
    groups: dict[str, list[UsageRow]] = {}
    for row in rows:
        groups.setdefault(_key(row, by), []).append(row)
    return [_total(key, group, urls) for key, group in groups.items()]


def overall(rows: Iterable[UsageRow], urls: Mapping[str, str]) -> Total:
    """The total of all rows."""
    return _total("all", list(rows), urls)


def since(text: str, now: float) -> float:
    """The beginning of the period that `--since` names, in seconds since the epoch.

    `text` is a duration before `now`, such as 30d, or an ISO date. Raises InvalidInput for any
    other text.
    """
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        pass
    try:
        return max(0.0, now - parse_age(text))
    except ValueError as error:
        raise InvalidInput(
            f"--since must be a duration such as 30d or a date such as 2026-11-01, not {text!r}",
            hint="--since 30d",
        ) from error


def _key(row: UsageRow, by: By) -> str:
    match by:
        case "model":
            return f"{row.provider}/{row.model}"
        case "provider":
            return row.provider
        case "day":
            return datetime.date.fromtimestamp(row.at).isoformat()
        case _:
            assert_never(by)


def _total(key: str, rows: list[UsageRow], urls: Mapping[str, str]) -> Total:
    costs = [_cost(row, urls) for row in rows]
    amounts = [cost.amount for cost in costs if cost.amount is not None]
    return Total(
        key=key,
        calls=len(rows),
        usage=Usage(
            input_tokens=_sum(row.usage.input_tokens for row in rows),
            output_tokens=_sum(row.usage.output_tokens for row in rows),
            cached_tokens=_sum(row.usage.cached_tokens for row in rows),
            reasoning_tokens=_sum(row.usage.reasoning_tokens for row in rows),
            cache_write_tokens=_sum(row.usage.cache_write_tokens for row in rows),
        ),
        amount=sum(amounts, Decimal(0)) if amounts else None,
        unpriced=len(costs) - len(amounts),
        bases=tuple(dict.fromkeys(cost.basis for cost in costs)),
    )


def _cost(row: UsageRow, urls: Mapping[str, str]) -> Cost:
    url = urls.get(row.provider)
    return price(row.provider, row.model, row.zone, row.usage, row.at, url)


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None

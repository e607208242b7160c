"""The cost of the calls that this machine computed, and what a cloud would have charged."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from localai.cost.break_even import is_local, list_price
from localai.database import UsageRow
from localai.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class LocalCost:
    """The cost of local calls over a period.

    `busy_s` is the sum of the calls' own times in seconds, so simultaneous calls count double.
    `energy_kwh` is None if the machine's watts are unknown, `energy` (dollars) if the price of a
    kilowatt-hour is as well, `hardware` (dollars) if the price of a day is. `avoided` is the charge
    of the cloud model `against` in dollars; None if no such model was named.
    """

    calls: int
    busy_s: float
    energy_kwh: float | None
    energy: float | None
    hardware: float | None
    avoided: Decimal | None
    against: str | None
    price_basis: str | None


def local_cost(
    rows: Iterable[UsageRow],
    *,
    watts: float | None,
    kwh: float | None,
    hardware_a_day: float | None,
    days: float,
    against: str | None,
) -> LocalCost:
    """The cost of those `rows` that this machine computed, over a period of `days`. Raises
    InvalidInput if `against` has no known price."""
    here = [row for row in rows if is_local(row)]
    busy_s = sum(row.total_s or 0.0 for row in here)
    energy_kwh = None if watts is None else watts * busy_s / 3.6e6
    costs = [] if against is None else [list_price(against, row.usage) for row in here]
    return LocalCost(
        calls=len(here),
        busy_s=busy_s,
        energy_kwh=energy_kwh,
        energy=None if energy_kwh is None or kwh is None else energy_kwh * kwh,
        hardware=None if hardware_a_day is None else hardware_a_day * days,
        avoided=None if against is None else sum((amount for amount, _ in costs), Decimal(0)),
        against=against,
        price_basis=costs[0][1] if costs else None,
    )

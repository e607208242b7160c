"""When the user's own machine has paid for itself, in hours of work. Pure but for the price list.

    hours = price × (1 − resale) / (what a cloud would charge for an hour's tokens − its energy)

An hour is an hour in which the machine computes, from the first token to the last; the cost of its
idle time would arise anyway. Prices are those of each call, never of a sum: some lists have another
price beyond a size of prompt.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from decimal import Decimal

from localai.cost.prices import price
from localai.database import UsageRow
from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.types import Usage

HOURS_A_YEAR = 8760


@dataclass(frozen=True, slots=True)
class MachineCost:
    """The machine's price in dollars, the share of it that a sale brings after `years`, its power
    while it computes, in watts, and the price of a kilowatt-hour in dollars."""

    price: float
    watts: float
    kwh: float
    years: float
    resale: float

    @property
    def net_price(self) -> float:
        """The price without the proceeds of the sale, in dollars."""
        return self.price * (1 - self.resale)

    @property
    def energy_an_hour(self) -> float:
        """The cost of an hour's energy, in dollars."""
        return self.watts / 1000 * self.kwh


@dataclass(frozen=True, slots=True)
class Work:
    """An hour's tokens, and what a cloud would charge for them, in dollars. `basis` says whose
    tokens they are, `price_basis` whose prices."""

    tokens_in: float
    tokens_out: float
    cloud_cost: float
    basis: str
    price_basis: str


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The hours until the machine has paid for itself; None if it never does, because its energy
    costs as much as the cloud."""

    against: str
    machine: MachineCost
    work: Work
    hours: float | None

    @property
    def saved_an_hour(self) -> float:
        """What an hour saves, in dollars."""
        return self.work.cloud_cost - self.machine.energy_an_hour

    @property
    def hours_a_day(self) -> float | None:
        """The hours a day over the machine's years; more than 24 are never reached."""
        return None if self.hours is None else self.hours / (self.machine.years * 365)


def break_even(machine: MachineCost, work: Work, against: str) -> BreakEven:
    """When `machine` has paid for itself, if it does the `work` that `against` would do."""
    saved = work.cloud_cost - machine.energy_an_hour
    return BreakEven(against, machine, work, machine.net_price / saved if saved > 0 else None)


def measured_work(rows: Iterable[UsageRow], against: str) -> Work:
    """An hour like those in which this machine computed the calls in `rows`. Raises InvalidInput if
    none of them has tokens and times, or `against` has no price."""
    here = [row for row in rows if is_local(row) and row.total_s]
    hours = sum(row.total_s or 0.0 for row in here) / 3600
    if not hours:
        raise InvalidInput(
            "no call that this machine computed is kept with its tokens and its time",
            hint="say what an hour is like: --tokens 4:1 --speed 600:50",
        )
    costs = [list_price(against, row.usage) for row in here]
    return Work(
        tokens_in=sum(row.usage.input_tokens or 0 for row in here) / hours,
        tokens_out=sum(row.usage.output_tokens or 0 for row in here) / hours,
        cloud_cost=float(sum(each for each, _ in costs)) / hours,
        basis=f"{len(here):,} calls of this machine in {hours:.2f} busy hours",
        price_basis=costs[0][1],
    )


def assumed_work(
    ratio: tuple[float, float],
    speed: tuple[float, float],
    against: str,
    *,
    output_tokens: int = 1000,
    cached: float = 0.0,
) -> Work:
    """An hour of calls with `ratio` tokens in to tokens out, prefilled and decoded at `speed`
    (tokens a second), each with `output_tokens`. A share `cached` of the input is charged as
    cached. Raises InvalidInput if `against` has no price."""
    tokens_in = round(output_tokens * ratio[0] / ratio[1])
    seconds = tokens_in / speed[0] + output_tokens / speed[1]
    usage = Usage(tokens_in, output_tokens, cached_tokens=round(tokens_in * cached))
    amount, price_basis = list_price(against, usage)
    calls = 3600 / seconds
    shown = f", {cached:.0%} of the input cached" if cached else ""
    return Work(
        tokens_in=tokens_in * calls,
        tokens_out=output_tokens * calls,
        cloud_cost=float(amount) * calls,
        basis=(
            f"assumed: {ratio[0]:g} tokens in to {ratio[1]:g} out at"
            f" {speed[0]:g} and {speed[1]:g} tok/s{shown}"
        ),
        price_basis=price_basis,
    )


def is_local(row: UsageRow) -> bool:
    """Whether this machine provably computed the call."""
    return row.zone == "device"


def list_price(model: str, usage: Usage) -> tuple[Decimal, str]:
    """What `model`, a `provider/name`, would charge for a call, in dollars, and the price list.
    Raises InvalidInput if the price is unknown."""
    provider, slash, name = model.partition("/")
    if not slash:
        raise InvalidInput(f"{model!r} names no cloud", hint="--against openai/gpt-5.5")
    # An unknown count is not charged.
    counted = Usage(usage.input_tokens or 0, usage.output_tokens or 0, usage.cached_tokens or 0)
    found = price(provider, name, "cloud", counted, time.time())
    if found.amount is None:
        raise InvalidInput(f"what {model} costs is not known: {found.basis}")
    return found.amount, found.basis

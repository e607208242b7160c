"""The hours of work after which the user's own machine has paid for itself. Pure but for the price
list.

    hours = price × (1 − resale) / (cloud's charge for an hour's tokens − an hour's energy)

An hour is an hour in which the machine computes, from the first token to the last. The cost of its
idle time is left out: it would arise anyway. Each call is priced on its own, never a sum of calls,
because some price lists charge more for prompts above a certain size.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from decimal import Decimal

from localai.cost.prices import price
from localai.database import UsageRow
from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.events import Usage
from localai.units import counted

HOURS_A_YEAR = 8760


@dataclass(frozen=True, slots=True)
class MachineCost:
    """What the machine costs.

    `price` is in dollars; a sale after `years` brings back the share `resale` of it. `watts` is the
    machine's power while it computes, `kwh` the price of a kilowatt-hour in dollars.
    """

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
    """An hour's tokens, and a cloud's charge for them in dollars. `basis` says where the token
    counts come from, `price_basis` where the prices do."""

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
        """The dollars that an hour of work saves; negative if the energy costs more."""
        return self.work.cloud_cost - self.machine.energy_an_hour

    @property
    def hours_a_day(self) -> float | None:
        """The hours a day that the machine must work to pay for itself within its years; None if
        it never does. A number above 24 cannot be reached."""
        return None if self.hours is None else self.hours / (self.machine.years * 365)


def break_even(machine: MachineCost, work: Work, against: str) -> BreakEven:
    """The break-even of `machine`, if it does the `work` that the cloud model `against` would
    do."""
    saved = work.cloud_cost - machine.energy_an_hour
    return BreakEven(against, machine, work, machine.net_price / saved if saved > 0 else None)


def measured_work(rows: Iterable[UsageRow], against: str) -> Work:
    """The average busy hour of this machine, over the calls in `rows` that it computed.

    Raises InvalidInput if no such call has tokens and a time, or if `against` has no price.
    """
    here = [row for row in rows if is_local(row) and row.total_s]
    hours = sum(row.total_s or 0.0 for row in here) / 3600
    if not hours:
        raise InvalidInput(
            "the database holds no call that this machine computed, with its tokens and its time",
            hint="describe an hour yourself: --tokens 4:1 --speed 600:50",
        )
    costs = [list_price(against, row.usage) for row in here]
    return Work(
        tokens_in=sum(row.usage.input_tokens or 0 for row in here) / hours,
        tokens_out=sum(row.usage.output_tokens or 0 for row in here) / hours,
        cloud_cost=float(sum(amount for amount, _ in costs)) / hours,
        basis=f"{counted(len(here), 'call')} of this machine in {hours:.2f} busy hours",
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
    """The price of a call of the cloud model `model` (`provider/name`) in dollars, and the price
    list that it comes from. Raises InvalidInput if the price is unknown."""
    provider, slash, name = model.partition("/")
    if not slash:
        raise InvalidInput(f"{model!r} names no cloud", hint="--against openai/gpt-5.5")
    # An unknown count is not charged.
    counted = Usage(usage.input_tokens or 0, usage.output_tokens or 0, usage.cached_tokens or 0)
    cost = price(provider, name, "cloud", counted, time.time())
    if cost.amount is None:
        raise InvalidInput(
            f"the price of {model} is unknown: {cost.basis}", hint="--against openai/gpt-5.5"
        )
    return cost.amount, cost.basis

"""The document of `localai cost`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.cost.prices import CURRENCY
from localai.output.documents.answer import CostDocument, UsageDocument, usage_document

if TYPE_CHECKING:
    from localai.cost.break_even import BreakEven
    from localai.cost.local import LocalCost
    from localai.cost.summary import Total


class TotalDocument(TypedDict):
    """The sum over the calls of a group."""

    group: Annotated[str, "the model, day or provider"]
    calls: Annotated[int, "the number of calls"]
    unpriced: Annotated[int, "the number of calls without a known price"]
    usage: Annotated[UsageDocument, "token counts of the calls, as far as they are known"]
    cost: Annotated[CostDocument, "the sum of the known costs"]


class LocalCostDocument(TypedDict):
    """The cost of the calls that this machine computed, and the cost that they avoided."""

    calls: Annotated[int, "the number of calls"]
    busy_s: Annotated[float, "the sum of the calls' times in seconds"]
    energy_kwh: Annotated[float | None, "busy time × --watts; null without --watts"]
    energy_usd: Annotated[float | None, "the price of the energy at --kwh; null without --kwh"]
    hardware_usd: Annotated[
        float | None, "the share of --price over the period; null without --price"
    ]
    avoided_usd: Annotated[
        float | None, "what the calls would have cost at --against; null without --against"
    ]
    against: Annotated[str | None, "the cloud's model that the cost is compared with"]


class BreakEvenDocument(TypedDict):
    """The break-even of a machine: the hours of work after which it has paid for itself."""

    against: Annotated[str, "the cloud's model that the cost is compared with"]
    hours: Annotated[float | None, "the busy hours until then; null if it never pays"]
    hours_a_day: Annotated[
        float | None, "the busy hours a day that this takes over the machine's years"
    ]
    tokens_per_hour: Annotated[float, "tokens in an hour, in and out"]
    cloud_usd_per_hour: Annotated[float, "what the cloud would charge for an hour's tokens"]
    energy_usd_per_hour: Annotated[float, "the price of the machine's energy in an hour"]
    net_price_usd: Annotated[float, "the machine's price less its resale"]
    basis: Annotated[str, "where the tokens and the prices come from"]


class CostReport(TypedDict):
    """`localai cost --json`"""

    schema: Annotated[Literal["localai.cost/1"], "the name and version of the document"]
    since: Annotated[float, "the beginning of the period, in seconds since the epoch"]
    by: Annotated[str, "what the calls are grouped by: model, day or provider"]
    totals: Annotated[list[TotalDocument], "a sum for each group"]
    overall: Annotated[TotalDocument, "the sum of all calls"]
    local: Annotated[LocalCostDocument, "the calls that this machine computed"]
    break_even: Annotated[BreakEvenDocument | None, "the break-even, with --break-even"]


def cost_report(
    since: float,
    by: str,
    totals: Iterable[Total],
    overall: Total,
    local: LocalCost,
    break_even: BreakEven | None,
) -> CostReport:
    """The document of `localai cost`. `since` is in seconds since the epoch."""
    return {
        "schema": "localai.cost/1",
        "since": since,
        "by": by,
        "totals": [_total(each) for each in totals],
        "overall": _total(overall),
        "local": {
            "calls": local.calls,
            "busy_s": local.busy_s,
            "energy_kwh": local.energy_kwh,
            "energy_usd": local.energy,
            "hardware_usd": local.hardware,
            "avoided_usd": None if local.avoided is None else float(local.avoided),
            "against": local.against,
        },
        "break_even": None if break_even is None else _break_even(break_even),
    }


def _break_even(found: BreakEven) -> BreakEvenDocument:
    work = found.work
    return {
        "against": found.against,
        "hours": found.hours,
        "hours_a_day": found.hours_a_day,
        "tokens_per_hour": work.tokens_in + work.tokens_out,
        "cloud_usd_per_hour": work.cloud_cost,
        "energy_usd_per_hour": found.machine.energy_an_hour,
        "net_price_usd": found.machine.net_price,
        "basis": f"{work.basis}; {work.price_basis}",
    }


def _total(total: Total) -> TotalDocument:
    return {
        "group": total.key,
        "calls": total.calls,
        "unpriced": total.unpriced,
        "usage": usage_document(total.usage),
        "cost": {
            "amount": None if total.amount is None else float(total.amount),
            "currency": CURRENCY,
            "basis": "; ".join(total.bases) or None,
        },
    }

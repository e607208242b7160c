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
    """A sum of calls."""

    group: Annotated[str, "the model, day or provider"]
    calls: Annotated[int, "how many"]
    unpriced: Annotated[int, "how many of them have no known price"]
    usage: Annotated[UsageDocument, "sums over the calls of which they are known"]
    cost: Annotated[CostDocument, "the sum of what is known"]


class LocalCostDocument(TypedDict):
    """What the calls that this machine computed cost it, and what they avoided."""

    calls: Annotated[int, "how many"]
    busy_s: Annotated[float, "the sum of their times"]
    energy_kwh: Annotated[float | None, "busy time × --watts; null without that"]
    energy_usd: Annotated[float | None, "at --kwh; null without that"]
    hardware_usd: Annotated[float | None, "the share of --price over the period; null without"]
    avoided_usd: Annotated[float | None, "what they would have cost at --against; null without"]
    against: Annotated[str | None, "the model of a cloud"]


class BreakEvenDocument(TypedDict):
    """When a machine has paid for itself."""

    against: Annotated[str, "the model of a cloud"]
    hours: Annotated[float | None, "busy hours; null: it never pays"]
    hours_a_day: Annotated[float | None, "as many a day over its years"]
    tokens_per_hour: Annotated[float, "in and out"]
    cloud_usd_per_hour: Annotated[float, "what the cloud would charge for them"]
    energy_usd_per_hour: Annotated[float, "what the machine takes meanwhile"]
    net_price_usd: Annotated[float, "its price less its resale"]
    basis: Annotated[str, "whose tokens, whose prices"]


class CostReport(TypedDict):
    """`localai cost --json`"""

    schema: Annotated[Literal["localai.cost/1"], "the promise that the rest keeps"]
    since: Annotated[float, "seconds since the epoch"]
    by: Annotated[str, "model, day or provider"]
    totals: Annotated[list[TotalDocument], "a sum each"]
    overall: Annotated[TotalDocument, "all together"]
    local: Annotated[LocalCostDocument, "of those that this machine computed"]
    break_even: Annotated[BreakEvenDocument | None, "with --break-even"]


def cost_report(
    since: float,
    by: str,
    totals: Iterable[Total],
    overall: Total,
    local: LocalCost,
    break_even: BreakEven | None,
) -> CostReport:
    """What `localai cost` prints; `since` is in seconds since the epoch."""
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

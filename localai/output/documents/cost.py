"""The document of `localai cost`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.cost.prices import CURRENCY
from localai.output.documents.answer import CostDocument, UsageDocument, usage_document

if TYPE_CHECKING:
    from localai.cost.summary import Total


class TotalDocument(TypedDict):
    """A sum of calls."""

    group: Annotated[str, "the model, day or provider"]
    calls: Annotated[int, "how many"]
    unpriced: Annotated[int, "how many of them have no known price"]
    usage: Annotated[UsageDocument, "sums over the calls of which they are known"]
    cost: Annotated[CostDocument, "the sum of what is known"]


class CostReport(TypedDict):
    """`localai cost --json`"""

    schema: Annotated[Literal["localai.cost/1"], "the promise that the rest keeps"]
    since: Annotated[float, "seconds since the epoch"]
    by: Annotated[str, "model, day or provider"]
    totals: Annotated[list[TotalDocument], "a sum each"]
    overall: Annotated[TotalDocument, "all together"]


def cost_report(since: float, by: str, totals: Iterable[Total], overall: Total) -> CostReport:
    """What `localai cost` prints; `since` is in seconds since the epoch."""
    return {
        "schema": "localai.cost/1",
        "since": since,
        "by": by,
        "totals": [_total(each) for each in totals],
        "overall": _total(overall),
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

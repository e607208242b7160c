"""The cost of calls for a person: the sums, a bar for each, the avoided cost, the break-even."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from localai.units import counted, money_text
from localai.untrusted import spreadsheet_words

if TYPE_CHECKING:
    from localai.cost.break_even import BreakEven
    from localai.cost.local import LocalCost
    from localai.cost.summary import Total
    from localai.output.output import Output

_BAR_CELLS = 30
_EIGHTHS = " ▏▎▍▌▋▊▉"
CSV_COLUMNS = (
    "group",
    "calls",
    "unpriced",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "cost_usd",
)


def bar(value: float, largest: float, cells: int = _BAR_CELLS) -> str:
    """A bar in proportion to the largest value, which gets `cells` cells, drawn to an eighth of a
    cell."""
    eighths = 0 if largest <= 0 else round(value / largest * cells * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def bars(totals: Sequence[Total]) -> list[str]:
    """A bar for each sum: its cost if any sum has a cost, else its tokens."""
    costs = [float(each.amount or 0) for each in totals]
    values = costs if any(costs) else [float(_tokens(each)) for each in totals]
    return [bar(value, max(values, default=0.0)) for value in values]


def what_bars_show(totals: Sequence[Total]) -> str:
    """The meaning of the bars' length, in words."""
    return "cost" if any(each.amount for each in totals) else "tokens"


def _tokens(total: Total) -> int:
    return (total.usage.input_tokens or 0) + (total.usage.output_tokens or 0)


def csv_text(totals: Sequence[Total]) -> str:
    """The sums as comma-separated values (RFC 4180). An unknown sum is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(CSV_COLUMNS)
    for each in totals:
        usage = each.usage
        counts = (usage.input_tokens, usage.cached_tokens, usage.output_tokens)
        writer.writerow(
            [spreadsheet_words(each.key), each.calls, each.unpriced, *counts, each.amount]
        )
    return stream.getvalue()


def shown_key(key: str) -> str:
    """The name of a row in the table: a model's file is shown without its folders."""
    provider, _, model = key.partition("/")
    return f"{provider}/{model.rsplit('/', 1)[-1]}" if model.startswith("/") else key


def print_local_cost(output: Output, local: LocalCost, days: float, method: str) -> None:
    """Print the cost of this machine's calls, and the cost that they avoided."""
    if not local.calls:
        return
    hours = local.busy_s / 3600
    rows = [("computed here", f"{counted(local.calls, 'call')}, {hours:.2f} busy hours")]
    if local.energy_kwh is not None:
        money = "" if local.energy is None else f", {money_text(local.energy)}"
        rows.append(("energy", f"{local.energy_kwh:.3f} kWh{money} ({method})"))
    if local.hardware is not None:
        rows.append(("hardware", f"{money_text(local.hardware)} for {counted(round(days), 'day')}"))
    if local.avoided is not None:
        rows.append(
            ("avoided", f"{money_text(local.avoided)} at {local.against} ({local.price_basis})")
        )
    output.line("")
    output.facts(rows)


def print_break_even(output: Output, found: BreakEven) -> None:
    """Print the hours until the break-even, and everything that they rest on."""
    machine, work = found.machine, found.work
    years = counted(machine.years, "year")
    output.facts(
        [
            (
                "work",
                f"{counted(round(work.tokens_in + work.tokens_out), 'token')} an hour",
                work.basis,
            ),
            (
                "cloud",
                f"{money_text(work.cloud_cost)} an hour at {found.against}",
                work.price_basis,
            ),
            (
                "energy",
                f"{money_text(machine.energy_an_hour)} an hour",
                f"{machine.watts:g} W at ${machine.kwh:g} a kWh",
            ),
            (
                "machine",
                money_text(machine.net_price),
                f"{money_text(machine.price)} less {machine.resale:.0%} in {years}",
            ),
        ]
    )
    output.line("")
    if found.hours is None:
        output.line(
            ("it never pays", "bold"), ": an hour's energy costs as much as the cloud, or more"
        )
        return
    output.line((f"breaks even after {counted(round(found.hours), 'busy hour')}", "bold"))
    daily = found.hours_a_day
    assert daily is not None
    if daily > 24:
        output.line(
            f"more than its {counted(machine.years, 'year has', 'years have')}: it never pays"
        )
    else:
        output.line(
            f"that is {daily:.1f} hours a day, every day of {counted(machine.years, 'year')}"
        )

"""`localai cost`: the usage and cost of the calls so far, and the break-even of one's own
machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from localai.commands.common_options import Json
from localai.commands.settings import load_settings
from localai.cost.summary import By, Total, overall, since, summarise
from localai.database import UsageRow, existing_database
from localai.errors import InvalidInput
from localai.output.output import Output
from localai.output.table import Column
from localai.units import count_text, money_text

if TYPE_CHECKING:
    from localai.cost.break_even import BreakEven, MachineCost
    from localai.cost.local import LocalCost

_COLUMNS = (
    Column("calls", drop=1, right=True),
    Column("tokens in", right=True),
    Column("cached", drop=2, right=True),
    Column("out", right=True),
    Column("cost", right=True),
)

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def cost(
    start: Annotated[
        str, typer.Option("--since", help="The beginning of the period: 24h or 30d ago, or a date.")
    ] = "30d",
    by: Annotated[str, typer.Option(help="Sum by model, day or provider.")] = "model",
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="MODEL", help="Show what this model of a cloud would have cost."
        ),
    ] = None,
    break_even: Annotated[
        bool,
        typer.Option(
            "--break-even", help="Show after how many busy hours a machine has paid for itself."
        ),
    ] = False,
    watts: Annotated[
        float | None,
        typer.Option("--watts", min=0, help="The machine's power while it computes, in watts."),
    ] = None,
    kwh: Annotated[
        float | None, typer.Option("--kwh", min=0, help="The price of a kilowatt-hour, in dollars.")
    ] = None,
    price: Annotated[
        float | None, typer.Option("--price", min=0, help="The price of the machine, in dollars.")
    ] = None,
    years: Annotated[
        float, typer.Option("--years", min=0.1, help="The years that the machine serves.")
    ] = 3,
    resale: Annotated[
        float,
        typer.Option(
            "--resale", min=0, max=1, help="The share of its price that its sale then brings."
        ),
    ] = 0,
    tokens: Annotated[
        str | None,
        typer.Option(
            "--tokens",
            metavar="IN:OUT",
            help="Assume calls with this ratio of tokens, such as 4:1, in place of your own.",
        ),
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option(
            "--speed", metavar="PREFILL:DECODE", help="Assume these tokens a second: 600:50."
        ),
    ] = None,
    cached: Annotated[
        float,
        typer.Option("--cached", min=0, max=1, help="Assume this share of the input to be cached."),
    ] = 0,
    plot: Annotated[bool, typer.Option("--plot", help="Draw a bar for each sum.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print the sums as CSV, for a spreadsheet.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what the calls so far used and cost: nothing here, list prices at the clouds.

    --watts and --price add what this machine's own calls cost, --against what they avoided, and
    --break-even when that has paid for the machine.
    """
    if by not in get_args(By):
        raise InvalidInput(f"--by takes {', '.join(get_args(By))}, not {by!r}", hint="--by model")
    if as_csv and (as_json or break_even):
        raise InvalidInput("--csv goes with neither --json nor --break-even")
    if not break_even and (tokens or speed or cached):
        raise InvalidInput("--tokens, --speed and --cached are for --break-even")
    output = Output("cost", as_json=as_json)
    paths, config = load_settings("cost")
    now = time.time()
    first = since(start, now)
    with existing_database(paths.database) as database:
        rows: list[UsageRow] = [] if database is None else database.usage_since(first)
    urls = {name: endpoint.url for name, endpoint in config.endpoints.items()}
    totals = summarise(rows, cast("By", by), urls)
    total = overall(rows, urls)
    days = (now - first) / 86400
    machine = None if price is None else _machine(price, watts, kwh, years, resale)
    local = _local(rows, watts, kwh, machine, days, against)
    found = None
    if break_even:
        found = _break_even(rows, against, price, watts, kwh, years, resale, tokens, speed, cached)
    if output.as_json:
        from localai.output.documents.cost import cost_report

        output.document(cost_report(first, by, totals, total, local, found))
    elif as_csv:
        from localai.output.cost import csv_text

        output.write(csv_text(totals))
    elif found is not None:
        from localai.output.cost import print_break_even

        print_break_even(output, found)
    elif not rows:
        output.note(f"no calls since {start}")
    else:
        from localai.output.cost import print_local_cost

        with output.paged():
            _show(output, by, totals, total, plot=plot)
            if watts is not None or price is not None or against is not None:
                method = f"your {watts:g} W × busy time" if watts is not None else ""
                print_local_cost(output, local, days, method)


def _show(output: Output, by: str, totals: list[Total], total: Total, *, plot: bool) -> None:
    # A single group is its own total.
    shown = totals if len(totals) == 1 else [*totals, total]
    columns: tuple[Column | str, ...] = (Column(by), *_COLUMNS)
    cells = [_row(each) for each in shown]
    if plot:
        from localai.output.cost import bars, what_bars_show

        drawn = [*bars(totals), ""][: len(cells)]
        columns = (*columns, Column(f"{what_bars_show(totals)} as a bar"))
        cells = [[*row, each] for row, each in zip(cells, drawn, strict=True)]
    output.table(columns, cells)
    for basis in total.bases:
        output.note(basis)


def _local(
    rows: list[UsageRow],
    watts: float | None,
    kwh: float | None,
    machine: MachineCost | None,
    days: float,
    against: str | None,
) -> LocalCost:
    from localai.cost.local import local_cost

    a_day = None if machine is None else machine.net_price / (machine.years * 365)
    return local_cost(rows, watts=watts, kwh=kwh, hardware_a_day=a_day, days=days, against=against)


def _machine(
    price: float, watts: float | None, kwh: float | None, years: float, resale: float
) -> MachineCost:
    from localai.cost.break_even import MachineCost

    return MachineCost(price, watts or 0.0, kwh or 0.0, years, resale)


def _break_even(
    rows: list[UsageRow],
    against: str | None,
    price: float | None,
    watts: float | None,
    kwh: float | None,
    years: float,
    resale: float,
    tokens: str | None,
    speed: str | None,
    cached: float,
) -> BreakEven:
    from localai.cost.break_even import assumed_work, break_even, measured_work

    missing = [
        name
        for name, value in (
            ("--against MODEL", against),
            ("--price", price),
            ("--watts", watts),
            ("--kwh", kwh),
        )
        if value is None
    ]
    if missing:
        raise InvalidInput(
            f"--break-even needs {', '.join(missing)} too",
            hint="--against openai/gpt-5.5 --price 3500 --watts 60 --kwh 0.30",
        )
    if (tokens is None) != (speed is None):
        raise InvalidInput("--tokens and --speed go together", hint="--tokens 4:1 --speed 600:50")
    assert against is not None and price is not None
    if tokens is not None and speed is not None:
        ratio, rates = _pair(tokens, "--tokens", "4:1"), _pair(speed, "--speed", "600:50")
        work = assumed_work(ratio, rates, against, cached=cached)
    else:
        work = measured_work(rows, against)
    return break_even(_machine(price, watts, kwh, years, resale), work, against)


def _pair(text: str, option: str, example: str) -> tuple[float, float]:
    first, _, second = text.partition(":")
    try:
        pair = float(first), float(second)
    except ValueError:
        pair = (0.0, 0.0)
    if not all(0 < each < 1e9 for each in pair):
        raise InvalidInput(f"{option} takes two numbers, not {text!r}", hint=f"{option} {example}")
    return pair


def _row(total: Total) -> list[str]:
    from localai.output.cost import shown_key

    return [
        shown_key(total.key),
        count_text(total.calls),
        count_text(total.usage.input_tokens),
        count_text(total.usage.cached_tokens),
        count_text(total.usage.output_tokens),
        _money(total),
    ]


def _money(total: Total) -> str:
    text = money_text(total.amount)
    unpriced = total.amount is not None and total.unpriced
    return f"{text} + {total.unpriced} unpriced" if unpriced else text

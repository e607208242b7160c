"""`localai cost`: what the calls so far used and cost."""

from __future__ import annotations

import time
from typing import Annotated, cast, get_args

import typer

from localai.commands.startup import begin
from localai.cost.summary import By, Total, overall, since, summarise
from localai.database import Database, UsageRow
from localai.errors import InvalidInput
from localai.output.streams import note, print_document, print_table
from localai.output.units import count_text, money_text

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def cost(
    start: Annotated[
        str, typer.Option("--since", help="How far back: 24h, 30d, or a date.")
    ] = "30d",
    by: Annotated[str, typer.Option(help="Sum by model, day or provider.")] = "model",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """What the calls so far used and cost: nothing here, list prices at the clouds."""
    if by not in get_args(By):
        raise InvalidInput(f"--by takes {', '.join(get_args(By))}, not {by!r}", hint="--by model")
    paths, config = begin("cost")
    first = since(start, time.time())
    rows: list[UsageRow] = []
    if paths.database.exists():
        database = Database(paths.database)
        try:
            rows = database.usage_since(first)
        finally:
            database.close()
    urls = {name: endpoint.url for name, endpoint in config.endpoints.items()}
    totals = summarise(rows, cast("By", by), urls)
    total = overall(rows, urls)
    if as_json:
        from localai.output.documents.cost import cost_report

        print_document(cost_report(first, by, totals, total))
        return
    if not rows:
        note(f"no calls since {start}")
        return
    columns = [by, "calls", "tokens in", "cached", "out", "cost"]
    # A single group is its own total.
    shown = totals if len(totals) == 1 else [*totals, total]
    print_table(columns, [_row(each) for each in shown])
    for basis in total.bases:
        note(basis)


def _row(total: Total) -> list[str]:
    return [
        total.key,
        count_text(total.calls),
        count_text(total.input_tokens),
        count_text(total.cached_tokens),
        count_text(total.output_tokens),
        _money(total),
    ]


def _money(total: Total) -> str:
    text = money_text(total.amount)
    unpriced = total.amount is not None and total.unpriced
    return f"{text} + {total.unpriced} unpriced" if unpriced else text

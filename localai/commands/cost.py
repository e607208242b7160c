"""`localai cost`: what the calls so far used and cost."""

from __future__ import annotations

import time
from typing import Annotated, cast, get_args

import typer

from localai.commands.options import Json
from localai.commands.settings import load_settings
from localai.cost.summary import By, Total, overall, since, summarise
from localai.database import UsageRow, existing_database
from localai.errors import InvalidInput
from localai.output.output import Output
from localai.output.table import Column
from localai.units import count_text, money_text

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
        str, typer.Option("--since", help="How far back: 24h, 30d, or a date.")
    ] = "30d",
    by: Annotated[str, typer.Option(help="Sum by model, day or provider.")] = "model",
    as_json: Json = False,
) -> None:
    """What the calls so far used and cost: nothing here, list prices at the clouds."""
    if by not in get_args(By):
        raise InvalidInput(f"--by takes {', '.join(get_args(By))}, not {by!r}", hint="--by model")
    output = Output("cost", as_json=as_json)
    paths, config = load_settings("cost")
    first = since(start, time.time())
    with existing_database(paths.database) as database:
        rows: list[UsageRow] = [] if database is None else database.usage_since(first)
    urls = {name: endpoint.url for name, endpoint in config.endpoints.items()}
    totals = summarise(rows, cast("By", by), urls)
    total = overall(rows, urls)
    if output.as_json:
        from localai.output.documents.cost import cost_report

        output.document(cost_report(first, by, totals, total))
        return
    if not rows:
        output.note(f"no calls since {start}")
        return
    # A single group is its own total.
    shown = totals if len(totals) == 1 else [*totals, total]
    output.table((Column(by), *_COLUMNS), [_row(each) for each in shown])
    for basis in total.bases:
        output.note(basis)


def _row(total: Total) -> list[str]:
    return [
        total.key,
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

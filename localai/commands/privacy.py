"""`localai privacy`: the policy in force, the programs that could talk, and the connections that
were made."""

from __future__ import annotations

import datetime
import time
from typing import Annotated

import typer

from localai.chat.privacy_report import Channel, findings, policy
from localai.commands.common_options import Json
from localai.commands.settings import load_settings, open_pool
from localai.config import parse_age
from localai.database import existing_database
from localai.errors import InvalidInput
from localai.output.output import Output
from localai.output.table import Column
from localai.paths import Paths
from localai.privacy.environment import given_environment
from localai.types import EgressRecord

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_RULES = (Column("what"), Column("rule", wraps=True))
_FINDINGS = (Column(""), Column("what", wraps=True), Column("detail", wraps=True))
_EGRESS = (
    Column("when"),
    Column("host"),
    Column("command"),
    Column("purpose"),
    Column("address", drop=1),
)


@app.command()
def privacy(
    context: typer.Context,
    since: Annotated[
        str, typer.Option(help="The age up to which the ledger is shown: 24h, 30d.")
    ] = "30d",
    as_json: Json = False,
) -> None:
    """Show what may leave this machine, what could, and every connection that did."""
    from localai.doctor.capture.context import Context
    from localai.doctor.privacy_view import privacy_findings

    output = Output("privacy", as_json=as_json)
    paths, config = load_settings("privacy")
    rules = policy(config, _pictures_bytes(paths))
    found = findings(config, paths, open_pool(context, paths))
    found += privacy_findings(Context(paths, config, "", given_environment()))
    ledger = _ledger(paths, since)
    if output.as_json:
        from localai.output.documents.privacy import privacy_document

        output.document(privacy_document(rules, found, ledger))
        return
    with output.paged():
        output.line("Policy")
        output.table(_RULES, list(rules.items()))
        output.line()
        output.line("What could talk")
        output.table(_FINDINGS, [_finding_row(finding) for finding in found])
        output.line()
        output.line(f"What left this machine (last {since})")
        if ledger:
            output.table(_EGRESS, _ledger_rows(ledger))
        else:
            output.note("nothing")


def _pictures_bytes(paths: Paths) -> int:
    with existing_database(paths.database) as database:
        return 0 if database is None else database.pictures_bytes()


def _ledger(paths: Paths, since: str) -> list[EgressRecord]:
    try:
        seconds = parse_age(since)
    except ValueError as error:
        raise InvalidInput(f"--since must be {error}, not {since!r}", hint="--since 30d") from error
    with existing_database(paths.database) as database:
        return [] if database is None else database.egress_since(time.time() - seconds)


def _finding_row(finding: Channel) -> list[str]:
    mark = {"held": "✓", "open": "!", "unknown": "?"}[finding.state]
    return [mark, finding.what, finding.detail]


def _ledger_rows(ledger: list[EgressRecord]) -> list[list[str]]:
    return [
        [
            datetime.datetime.fromtimestamp(entry.at).strftime("%Y-%m-%d %H:%M:%S"),
            f"{entry.host}:{entry.port}",
            entry.command,
            entry.purpose.value,
            entry.address,
        ]
        for entry in ledger
    ]

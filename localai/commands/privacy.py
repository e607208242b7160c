"""`localai privacy`: the policy in force, what on this machine could talk, and what did."""

from __future__ import annotations

import datetime
import time
from typing import Annotated

import typer

from localai.chat.privacy_report import Finding, findings, policy
from localai.commands.startup import begin
from localai.config import parse_duration
from localai.database import Database
from localai.errors import InvalidInput
from localai.output.streams import note, print_document, print_table
from localai.paths import Paths
from localai.types import EgressRecord

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def privacy(
    since: Annotated[str, typer.Option(help="How far back the ledger is shown: 24h, 30d.")] = "30d",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """What may leave this machine, what could, and every connection that did."""
    paths, config = begin("privacy")
    rules = policy(config)
    found = findings(config, paths)
    ledger = _ledger(paths, since) if paths.database.exists() else []
    if as_json:
        from localai.output.documents.privacy import privacy_document

        print_document(privacy_document(rules, found, ledger))
        return
    print("Policy")
    print_table(["what", "rule"], [[what, rule] for what, rule in rules.items()])
    print("\nWhat could talk")
    print_table(["", "what", "detail"], [_finding_row(finding) for finding in found])
    print(f"\nWhat left this machine (last {since})")
    if ledger:
        print_table(["when", "command", "purpose", "host", "address"], _ledger_rows(ledger))
    else:
        note("nothing")


def _ledger(paths: Paths, since: str) -> list[EgressRecord]:
    try:
        seconds = parse_duration(since)
    except ValueError as error:
        raise InvalidInput(f"--since must be {error}, not {since!r}") from error
    database = Database(paths.database)
    try:
        return database.egress_since(time.time() - seconds)
    finally:
        database.close()


def _finding_row(finding: Finding) -> list[str]:
    mark = {"held": "✓", "open": "!", "unknown": "?"}[finding.state]
    return [mark, finding.what, finding.detail]


def _ledger_rows(ledger: list[EgressRecord]) -> list[list[str]]:
    return [
        [
            datetime.datetime.fromtimestamp(entry.at).strftime("%Y-%m-%d %H:%M:%S"),
            entry.command,
            entry.purpose.value,
            f"{entry.host}:{entry.port}",
            entry.address,
        ]
        for entry in ledger
    ]

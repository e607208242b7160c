"""`localai history delete` and `prune`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from localai.commands.history.opened import Ids, Json, count_text, found_ids, opened, required
from localai.config import parse_duration
from localai.errors import Interrupted, InvalidInput
from localai.output.conversation_lists import (
    conversation_lines,
    print_conversations,
)
from localai.output.streams import is_terminal, note, print_document, warn
from localai.output.units import bytes_text
from localai.paths import Paths, locate

if TYPE_CHECKING:
    from localai.database import ConversationSummary, Database

_MOST_NAMED = 10

_Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]


def delete(ids: Ids = None, yes: _Yes = False, as_json: Json = False) -> None:
    """Delete conversations for good.

    Their texts, what the search index knows of them, their KV states, and the lines by which they
    were typed go. What the calls used is still counted by `localai cost`, which knows no texts.
    """
    if not ids:
        raise InvalidInput("which conversations?", command="localai history list")
    paths = locate()
    with opened(paths) as existing:
        database = required(existing)
        rows = [database.summary(found) for found in found_ids(database, ids)]
        _delete(paths, database, rows, yes=yes, as_json=as_json)


def prune(
    older_than: Annotated[
        str | None, typer.Option("--older-than", help="Not written to for so long: 30d.")
    ] = None,
    keep: Annotated[
        int | None, typer.Option("--keep", min=0, help="All but the newest so many.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be deleted, delete nothing.")
    ] = False,
    yes: _Yes = False,
    as_json: Json = False,
) -> None:
    """Delete old conversations for good.

    With both options those that are old and not among the newest.
    """
    if older_than is None and keep is None:
        raise InvalidInput(
            "--older-than or --keep says which", command="localai history prune --older-than 90d"
        )
    before = None if older_than is None else time.time() - _duration(older_than)
    paths = locate()
    with opened(paths) as database:
        rows = [] if database is None else database.stale(before, keep)
        if database is None or not rows or dry_run:
            _show_stale(rows, dry_run=dry_run, as_json=as_json)
            return
        _delete(paths, database, rows, yes=yes, as_json=as_json)


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidInput(f"--older-than must be {error}, not {text!r}") from error


def _show_stale(rows: list[ConversationSummary], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        from localai.output.documents.history import delete_document

        print_document(delete_document(rows, state_bytes=0, dry_run=dry_run))
    elif rows:
        print_conversations(rows)
        note(f"{count_text(len(rows))} would be deleted")
    else:
        note("there is nothing to delete")


def _delete(
    paths: Paths, database: Database, rows: list[ConversationSummary], *, yes: bool, as_json: bool
) -> None:
    from localai.chat.deletion import delete_conversations

    if not yes:
        _ask_or_refuse(rows, may_ask=not as_json)
    gone = delete_conversations(paths, database, [row.id for row in rows])
    if not gone.log_emptied:
        warn("another localai reads the database: its log keeps traces until that ends")
    if as_json:
        from localai.output.documents.history import delete_document

        print_document(delete_document(rows, state_bytes=gone.state_bytes, dry_run=False))
        return
    states = f", and {bytes_text(gone.state_bytes)} of KV states" if gone.state_bytes else ""
    note(f"deleted {count_text(len(rows))}{states}")


def _ask_or_refuse(rows: list[ConversationSummary], *, may_ask: bool) -> None:
    """Return if the person wants it. Raises InvalidInput where nobody can be asked, Interrupted."""
    if not (may_ask and is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise InvalidInput(
            f"nothing was deleted: {count_text(len(rows))} would go, and nobody can be asked",
            hint="give --yes",
        )
    for row in rows[:_MOST_NAMED]:
        print("\n".join(conversation_lines(row)), file=sys.stderr)
    if len(rows) > _MOST_NAMED:
        note(f"and {len(rows) - _MOST_NAMED} more")
    question = f"Delete {count_text(len(rows))} for good? [y/N] "
    print(question, end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        note("nothing was deleted")
        raise Interrupted("nothing was deleted")

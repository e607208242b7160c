"""`localai history rm` and `prune`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from localai.commands.common_options import Json, Quiet, Yes
from localai.commands.history.selection import Ids, found_ids, required
from localai.config import parse_age
from localai.database import existing_database
from localai.errors import InvalidInput
from localai.output.conversations import conversation_line, print_conversations
from localai.output.output import Output
from localai.paths import Paths, locate
from localai.units import bytes_text, counted

if TYPE_CHECKING:
    from localai.database import ConversationSummary, Database

_MOST_NAMED = 10


def remove(ids: Ids = None, yes: Yes = False, quiet: Quiet = False, as_json: Json = False) -> None:
    """Delete conversations for good.

    Their texts, their words in the search index, their KV states and their prompts in the prompt
    history are deleted. `localai cost`, which knows no texts, still counts their usage.
    """
    if not ids:
        raise InvalidInput("which conversations?", command="localai history list")
    output = Output("history", as_json=as_json, quiet=quiet)
    paths = locate()
    with existing_database(paths.database) as existing:
        database = required(existing)
        rows = [database.summary(found) for found in found_ids(database, ids)]
        _delete(paths, database, rows, output, yes=yes)


def prune(
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than", help="Delete conversations that are unchanged for this time: 30d."
        ),
    ] = None,
    keep: Annotated[int | None, typer.Option("--keep", min=0, help="Keep the newest N.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be deleted, delete nothing.")
    ] = False,
    yes: Yes = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Delete old conversations for good.

    With both options, conversations are deleted that are old and not among the newest.
    """
    if older_than is None and keep is None:
        raise InvalidInput(
            "--older-than or --keep says which", command="localai history prune --older-than 90d"
        )
    before = None if older_than is None else time.time() - _duration(older_than)
    output = Output("history", as_json=as_json, quiet=quiet)
    paths = locate()
    with existing_database(paths.database) as database:
        rows = [] if database is None else database.stale(before, keep)
        if database is None or not rows or dry_run:
            _show_stale(rows, output, dry_run=dry_run)
            return
        _delete(paths, database, rows, output, yes=yes)


def _duration(text: str) -> float:
    try:
        return parse_age(text)
    except ValueError as error:
        raise InvalidInput(
            f"--older-than must be {error}, not {text!r}", hint="--older-than 30d"
        ) from error


def _show_stale(rows: list[ConversationSummary], output: Output, *, dry_run: bool) -> None:
    if output.as_json:
        from localai.output.documents.history import delete_document

        output.document(delete_document(rows, state_bytes=0, dry_run=dry_run))
        return
    if rows:
        print_conversations(rows, output)
        output.note(f"{counted(len(rows), 'conversation')} would be deleted")
    else:
        output.note("there is nothing to delete")


def _delete(
    paths: Paths,
    database: Database,
    rows: list[ConversationSummary],
    output: Output,
    *,
    yes: bool,
) -> None:
    from localai.chat.deletion import delete_conversations

    if not yes:
        _ask_or_refuse(rows, output)
    deleted = delete_conversations(paths, database, [row.id for row in rows])
    if not deleted.log_emptied:
        output.warn("another localai reads the database: its log keeps traces until that ends")
    if output.as_json:
        from localai.output.documents.history import delete_document

        output.document(delete_document(rows, state_bytes=deleted.state_bytes, dry_run=False))
    states = f", and {bytes_text(deleted.state_bytes)} of KV states" if deleted.state_bytes else ""
    output.note(f"deleted {counted(len(rows), 'conversation')}{states}")


def _ask_or_refuse(rows: list[ConversationSummary], output: Output) -> None:
    """Return if the person agrees. Raises InvalidInput if nobody can be asked, and Interrupted if
    the person does not agree."""
    if output.may_ask:
        for row in rows[:_MOST_NAMED]:
            output.note(conversation_line(row))
        if len(rows) > _MOST_NAMED:
            output.note(f"and {len(rows) - _MOST_NAMED} more")
    output.confirm(
        f"Delete {counted(len(rows), 'conversation')} for good?",
        unasked=InvalidInput(
            f"{counted(len(rows), 'conversation')} would be deleted, and nobody can be asked",
            hint="give --yes",
        ),
        declined="nothing was deleted",
    )

"""`localai history rename`."""

from __future__ import annotations

from typing import Annotated

import typer

from localai.commands.common_options import Json
from localai.commands.history.selection import found_ids, required
from localai.database import existing_database
from localai.errors import InvalidInput
from localai.output.output import Output
from localai.paths import locate


def rename(
    conversation: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="The conversation's id or title, or the beginning of one."
        ),
    ],
    title: Annotated[list[str], typer.Argument(metavar="TITLE", help="The new title.")],
    as_json: Json = False,
) -> None:
    """Give a conversation a new title; `localai chat --cid TITLE` continues it."""
    called = " ".join(" ".join(title).split())
    if not called:
        raise InvalidInput("an empty title is none", command="localai history list")
    output = Output("history", as_json=as_json)
    with existing_database(locate().database) as existing:
        database = required(existing)
        (identifier,) = found_ids(database, [conversation])
        database.set_title(identifier, called)
    if output.as_json:
        from localai.output.documents.history import rename_document

        output.document(rename_document(identifier, called))
    output.note(f"{identifier} is called {called!r}")

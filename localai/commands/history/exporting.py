"""`localai history export`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from localai.chat.resume import read_conversation
from localai.commands.history.selection import Ids, found_ids, required
from localai.database import existing_database
from localai.errors import InvalidInput
from localai.files import cannot_write, create_atomically
from localai.output.conversations import conversation_markdown
from localai.output.output import Output
from localai.paths import locate
from localai.units import counted

if TYPE_CHECKING:
    from localai.database import Database
    from localai.output.documents.history import ExportFormat, WholeConversationDocument

_FORMATS: dict[str, ExportFormat] = {".md": "markdown", ".json": "json", ".jsonl": "jsonl"}


def export(
    ids: Ids = None,
    everything: Annotated[bool, typer.Option("--all", help="Export every conversation.")] = False,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format", help="markdown, json or jsonl; by default, what the file's name ends with."
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("-O", "--output", help="Write to this new file instead of stdout."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print JSON, as --format json does; with --output, a document about the file.",
        ),
    ] = False,
) -> None:
    """Write conversations as Markdown, JSON or JSON Lines.

    Markdown has each conversation's current branch, JSON has all branches. An existing file is not
    overwritten.
    """
    chosen = _format(format_, file, as_json=as_json)
    if bool(ids) == everything:
        raise InvalidInput(
            "name conversations, or give --all", command="localai history export --all"
        )
    from localai.database import Criteria

    output = Output("history", as_json=as_json)
    with existing_database(locate().database) as existing:
        database = required(existing)
        if everything:
            found = [row.id for row in database.summaries(Criteria(), None)]
        else:
            found = found_ids(database, ids or [])
        pieces = _exported(database, found, chosen, output)
        if file is None:
            for piece in pieces:
                output.write(piece)
            return
        _write(file, pieces)
    if output.as_json:
        from localai.output.documents.history import export_document

        output.document(export_document(str(file), chosen, found))
    output.note(f"{counted(len(found), 'conversation')} in {file}")


def _format(wanted: str | None, file: Path | None, *, as_json: bool) -> ExportFormat:
    by_name = None if file is None else _FORMATS.get(file.suffix.lower())
    named = next((known for known in _FORMATS.values() if known == wanted), None)
    if wanted is not None and named is None:
        known = ", ".join(_FORMATS.values())
        raise InvalidInput(f"--format takes {known}, not {wanted!r}", hint="--format json")
    chosen = named or by_name or ("json" if as_json else "markdown")
    if as_json and file is None and chosen != "json":
        raise InvalidInput(
            f"--json prints JSON, not {chosen}", hint="--format jsonl or --output FILE"
        )
    return chosen


def _exported(
    database: Database, ids: list[str], chosen: ExportFormat, output: Output
) -> Iterator[bytes]:
    if chosen == "markdown":
        return _markdown(database, ids, output)
    from localai.output.documents.history import json_document, json_lines

    documents = _documents(database, ids)
    return json_lines(documents) if chosen == "jsonl" else json_document(documents)


def _documents(database: Database, ids: list[str]) -> Iterator[WholeConversationDocument]:
    from localai.output.documents.history import conversation_document

    for identifier in ids:
        row, leaf = database.summary(identifier), database.leaf(identifier)
        messages, pictures = database.messages(identifier), database.pictures(identifier)
        yield conversation_document(row, leaf, messages, pictures)


def _markdown(database: Database, ids: list[str], output: Output) -> Iterator[bytes]:
    between, left_out = "", 0
    for identifier in ids:
        kept = read_conversation(database, identifier)
        left_out += max(0, len(kept.tree.ends()) - 1)
        document = between + conversation_markdown(kept.title, kept.tree.branch())
        yield document.encode("utf-8", "replace")
        between = "\n"
    if left_out:
        output.note(f"other branches are left out ({left_out}): JSON has them")


def _write(file: Path, pieces: Iterator[bytes]) -> None:
    try:
        create_atomically(file, pieces)
    except FileExistsError as error:
        raise InvalidInput(f"{file} is there already", hint="--output ANOTHER-FILE") from error
    except OSError as error:
        raise cannot_write(file, error) from error

"""`localai history list`, `search` and `show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from localai.chat.resume import StoredConversation, read_conversation
from localai.commands.common_options import Json
from localai.commands.history.selection import (
    Model,
    Since,
    Until,
    Zone,
    criteria_of,
    found_ids,
    required,
)
from localai.database import existing_database
from localai.errors import InvalidInput
from localai.output.conversations import (
    conversation_name,
    moment_text,
    print_branch,
    print_conversations,
    print_hits,
    print_tree,
)
from localai.output.output import Output
from localai.paths import locate
from localai.units import counted

if TYPE_CHECKING:
    from localai.database import Database

_Row = TypeVar("_Row")
_NOTHING_FOUND = 1
_Limit = Annotated[int, typer.Option("-l", "--limit", min=0, help="Show at most N; 0 is all.")]


def list_conversations(
    text: Annotated[
        str | None, typer.Argument(help="Only conversations with this text in the title.")
    ] = None,
    model: Model = None,
    zone: Zone = None,
    since: Since = None,
    until: Until = None,
    limit: _Limit = 20,
    as_json: Json = False,
) -> None:
    """List the conversations, the newest first."""
    output = Output("history", as_json=as_json)
    criteria = criteria_of(model, zone, since, until)
    with existing_database(locate().database) as database:
        one_more = limit + 1 if limit else None
        rows = [] if database is None else database.summaries(criteria, one_more, text or "")
    rows, more = _cut(rows, limit)
    if output.as_json:
        from localai.output.documents.history import list_document

        output.document(list_document(rows, more=more))
        return
    with output.paged():
        if rows:
            print_conversations(rows, output)
        elif database is None or criteria == criteria_of():
            output.note('none is kept yet: localai chat "hello"')
        else:
            output.note("there is no such conversation")
        if more:
            output.note(f"the newest {limit}; --limit 0 lists all")


def search(
    words: Annotated[
        list[str], typer.Argument(help='All must occur; "a phrase" in quotes; begin* of a word.')
    ],
    model: Model = None,
    zone: Zone = None,
    since: Since = None,
    until: Until = None,
    limit: _Limit = 20,
    as_json: Json = False,
) -> int:
    """Find messages, the newest first. The exit code is 1 if there is none, as grep's is.

    Case and accents make no difference. Only quotes and * have a special meaning.
    """
    query = " ".join(_quoted(word) for word in words)
    output = Output("history", as_json=as_json)
    criteria = criteria_of(model, zone, since, until)
    with existing_database(locate().database) as database:
        one_more = limit + 1 if limit else None
        hits = [] if database is None else database.search(query, criteria, one_more)
    if hits is None:
        raise InvalidInput(
            f"there is no word in {query!r} to search for", command="localai history search hello"
        )
    hits, more = _cut(hits, limit)
    if output.as_json:
        from localai.output.documents.history import search_document

        output.document(search_document(query, hits, more=more))
        return _NOTHING_FOUND if not hits else 0
    with output.paged():
        if hits:
            print_hits(hits, output)
        else:
            output.note(f"nothing was said with {query}")
        if more:
            output.note(f"the newest {limit}; --limit 0 shows all")
    return _NOTHING_FOUND if not hits else 0


def show(
    conversation: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help=(
                "The conversation's id or title, or the beginning of one.  [default: the last one]"
            ),
        ),
    ] = None,
    branch: Annotated[
        int | None,
        typer.Option("--branch", min=1, help="Show this branch, as /branches numbers them."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show every branch.")] = False,
    as_json: Json = False,
) -> None:
    """Show a conversation, as the session shows it: its current branch."""
    output = Output("history", as_json=as_json)
    if branch is not None and everything:
        raise InvalidInput(
            "--branch and --all exclude each other",
            hint="name one: localai history show ID",
            command="localai history list",
        )
    with existing_database(locate().database) as existing:
        database = required(existing)
        identifier = _found_or_last(database, conversation)
        kept = read_conversation(database, identifier)
        turns = kept.tree.branch(_end_of(kept, branch))
        row, leaf = database.summary(identifier), database.leaf(identifier)
        messages, pictures = database.messages(identifier), database.pictures(identifier)
    wanted = {turn.stored_id for turn in turns}
    shown = [message for message in messages if everything or message.id in wanted]
    if output.as_json:
        from localai.output.documents.history import conversation_document, show_document

        output.document(show_document(conversation_document(row, leaf, shown, pictures)))
        return
    with output.paged():
        moment, called = moment_text(row.updated_at), conversation_name(row.title)
        output.note(f"{identifier} · {moment} · {called}")
        output.note("")
        if everything:
            print_tree(kept.tree, output)
        else:
            print_branch(turns, output)
        if not everything and branch is None and (others := len(kept.tree.ends()) - 1) > 0:
            output.note(f"{counted(others, 'more branch', 'more branches')}: --all, --branch N")


def _found_or_last(database: Database, prefix: str | None) -> str:
    """The id that begins with `prefix`; for None, the newest conversation's id. Raises NotFound."""
    from localai.database import Criteria

    if prefix is not None:
        return found_ids(database, [prefix])[0]
    newest = database.summaries(Criteria(), 1)
    return required(newest[0] if newest else None).id


def _cut(rows: list[_Row], limit: int) -> tuple[list[_Row], bool]:
    """At most `limit` of the rows (0 is all), and whether there are more."""
    return (rows[:limit], True) if limit and len(rows) > limit else (rows, False)


def _quoted(word: str) -> str:
    """The search words. An argument with spaces was quoted in the shell, so its words are a phrase
    here, too."""
    return f'"{word}"' if " " in word.strip() and '"' not in word else word


def _end_of(kept: StoredConversation, number: int | None) -> int | None:
    if number is None:
        return None
    ends = kept.tree.ends()
    if number > len(ends):
        count = counted(len(ends), "branch", "branches")
        raise InvalidInput(
            f"{kept.id} has {count}", command=f"localai history show {kept.id} --all"
        )
    return ends[number - 1].id

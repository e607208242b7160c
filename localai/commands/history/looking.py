"""`localai history list`, `search` and `show`."""

from __future__ import annotations

from typing import Annotated

import typer

from localai.chat.resume import StoredConversation, read_conversation
from localai.commands.history.selection import (
    Model,
    Since,
    Until,
    Zone,
    criteria_of,
    found_ids,
    required,
)
from localai.commands.options import Json
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

_Limit = Annotated[int, typer.Option("-n", "--limit", min=0, help="At most so many; 0 is all.")]


def list_conversations(
    text: Annotated[str | None, typer.Argument(help="Only with this in the title.")] = None,
    model: Model = None,
    zone: Zone = None,
    since: Since = None,
    until: Until = None,
    limit: _Limit = 20,
    as_json: Json = False,
) -> None:
    """The conversations, the newest first."""
    output = Output("history", as_json=as_json)
    criteria = criteria_of(model, zone, since, until)
    with existing_database(locate().database) as database:
        rows = [] if database is None else database.summaries(criteria, limit or None, text or "")
    if output.as_json:
        from localai.output.documents.history import list_document

        output.document(list_document(rows))
        return
    if rows:
        print_conversations(rows, output)
    elif database is None:
        output.note('none is kept yet: localai chat "hello"')
    else:
        output.note("there is no such conversation")
    if len(rows) == limit:
        output.note(f"the newest {limit}; -n 0 lists all")


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
) -> None:
    """Find what was said, the newest first.

    Case and accents make no difference, and nothing but quotes and * has a meaning.
    """
    query = " ".join(_quoted(word) for word in words)
    output = Output("history", as_json=as_json)
    criteria = criteria_of(model, zone, since, until)
    with existing_database(locate().database) as database:
        hits = [] if database is None else database.search(query, criteria, limit or None)
    if hits is None:
        raise InvalidInput(
            f"there is no word in {query!r} to search for", command="localai history search hello"
        )
    if output.as_json:
        from localai.output.documents.history import search_document

        output.document(search_document(query, hits))
        return
    if hits:
        print_hits(hits, output)
    else:
        output.note(f"nothing was said with {query}")
    if len(hits) == limit:
        output.note(f"the newest {limit}; -n 0 shows all")


def show(
    conversation: Annotated[str, typer.Argument(metavar="ID", help="Its id, or how that begins.")],
    branch: Annotated[
        int | None, typer.Option("--branch", min=1, help="That one, as /branches counts them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every branch.")] = False,
    as_json: Json = False,
) -> None:
    """A conversation, as the session shows it: the branch it stands in."""
    output = Output("history", as_json=as_json)
    if branch is not None and everything:
        raise InvalidInput(
            "--branch and --all exclude each other",
            hint="name one: localai history show ID",
            command="localai history list",
        )
    with existing_database(locate().database) as existing:
        database = required(existing)
        (identifier,) = found_ids(database, [conversation])
        kept = read_conversation(database, identifier)
        turns = kept.tree.branch(_end_of(kept, branch))
        row, leaf = database.summary(identifier), database.leaf(identifier)
        messages = database.messages(identifier)
    wanted = {turn.stored_id for turn in turns}
    shown = [message for message in messages if everything or message.id in wanted]
    if output.as_json:
        from localai.output.documents.history import conversation_document, show_document

        output.document(show_document(conversation_document(row, leaf, shown)))
        return
    output.note(f"{identifier} · {moment_text(row.updated_at)} · {conversation_name(row.title)}")
    output.note("")
    if everything:
        print_tree(kept.tree, output)
        return
    print_branch(turns, output)
    if branch is None and (others := len(kept.tree.ends()) - 1) > 0:
        output.note(f"{others} more {'branch' if others == 1 else 'branches'}: --all, --branch N")


def _quoted(word: str) -> str:
    """An argument with spaces was quoted in the shell: its words are a phrase here, too."""
    return f'"{word}"' if " " in word.strip() and '"' not in word else word


def _end_of(kept: StoredConversation, number: int | None) -> int | None:
    if number is None:
        return None
    ends = kept.tree.ends()
    if number > len(ends):
        count = "one branch" if len(ends) == 1 else f"{len(ends)} branches"
        raise InvalidInput(
            f"{kept.id} has {count}", command=f"localai history show {kept.id} --all"
        )
    return ends[number - 1].id

"""`localai history list`, `search` and `show`."""

from __future__ import annotations

from typing import Annotated

import typer

from localai.chat.resume import StoredConversation, read_conversation
from localai.commands.history.filters import Model, Since, Until, Zone, criteria_of
from localai.commands.history.opened import Json, found_ids, opened, required
from localai.errors import InvalidInput
from localai.output.cells import one_line
from localai.output.conversation_lists import (
    conversation_name,
    moment_text,
    print_conversations,
    print_hits,
)
from localai.output.streams import note, print_document, width
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
    criteria = criteria_of(model, zone, since, until)
    with opened(locate()) as store:
        rows = [] if store is None else store.summaries(criteria, limit or None, text or "")
    if as_json:
        from localai.output.documents.history import list_document

        print_document(list_document(rows))
        return
    if rows:
        print_conversations(rows)
    else:
        note("there is no such conversation" if store else 'none is kept yet: localai chat "hello"')
    if len(rows) == limit:
        note(f"the newest {limit}; -n 0 lists all")


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
    criteria = criteria_of(model, zone, since, until)
    with opened(locate()) as store:
        hits = [] if store is None else store.search(query, criteria, limit or None)
    if hits is None:
        raise InvalidInput(
            f"there is no word in {query!r} to search for", command="localai history search hello"
        )
    if as_json:
        from localai.output.documents.history import search_document

        print_document(search_document(query, hits))
        return
    if hits:
        print_hits(hits)
    else:
        note(f"nothing was said with {query}")
    if len(hits) == limit:
        note(f"the newest {limit}; -n 0 shows all")


def show(
    conversation: Annotated[str, typer.Argument(metavar="ID", help="Its id, or how that begins.")],
    branch: Annotated[
        int | None, typer.Option("--branch", min=1, help="That one, as /branches counts them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every branch.")] = False,
    as_json: Json = False,
) -> None:
    """A conversation, as the session shows it: the branch it stands in."""
    from localai.output.conversation_text import print_branch, print_tree

    if branch is not None and everything:
        raise InvalidInput(
            "--branch and --all exclude each other",
            hint="name one: localai history show ID",
            command="localai history list",
        )
    with opened(locate()) as existing:
        store = required(existing)
        (identifier,) = found_ids(store, [conversation])
        kept = read_conversation(store, identifier)
        turns = kept.tree.branch(_end_of(kept, branch))
        if as_json:
            from localai.output.documents.history import conversation_document, show_document

            wanted = {turn.stored_id for turn in turns}
            document = conversation_document(
                store.summary(identifier),
                store.leaf(identifier),
                [each for each in store.messages(identifier) if everything or each.id in wanted],
            )
            print_document(show_document(document))
            return
        row = store.summary(identifier)
    heading = f"{identifier} · {moment_text(row.updated_at)} · {conversation_name(row.title)}"
    note(one_line(heading, width()))
    note("")
    if everything:
        print_tree(kept.tree)
        return
    print_branch(turns)
    if branch is None and (others := len(kept.tree.ends()) - 1) > 0:
        note(f"{others} more {'branch' if others == 1 else 'branches'}: --all, --branch N")


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

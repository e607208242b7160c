"""Slash commands about the conversation as a whole: begin, load, save, name, find, fold,
measure."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from localai.answers import Answer, name_in_a_line
from localai.chat.compaction import parted, require_on_device, summarise
from localai.chat.inputs import without_files
from localai.chat.pictures import count_pictures, loss_doubt
from localai.chat.resume import recent_conversations, resume
from localai.errors import InvalidInput, LocalaiError, NotFound
from localai.events import Events
from localai.files import cannot_write, create_atomically, user_path
from localai.output.cells import one_line
from localai.output.context_bar import context_bar
from localai.output.conversations import conversation_markdown, picture_lines
from localai.output.terminal import is_dumb
from localai.session.state import Session
from localai.sizing.context import ANSWER_TOKENS
from localai.units import counted, day_and_minute
from localai.untrusted import sanitize

if TYPE_CHECKING:
    from localai.chat.resume import StoredConversation

_RECENT = 15
_DATED_COLUMNS = 60
"""Where a terminal has fewer, a list of conversations has no times."""


def clear(session: Session, _argument: str) -> None:
    """Begin a new conversation; this one stays in the history."""
    identifier = session.conversation.recorder.conversation_id
    session.begin(None)
    where = "" if identifier is None else f"; the last one is {identifier} (/load {identifier})"
    session.output.note(f"a new conversation{where}")


def load(session: Session, argument: str) -> None:
    """Go on with a kept conversation; without an ID choose one."""
    argument = argument or _picked(session)
    if not argument:
        return
    try:
        kept = resume(session.asker.paths.database, argument)
    except NotFound as error:
        raise NotFound(error.message, command="/history") from error
    session.begin(kept)
    say_where_we_are(session, kept)
    current = session.asker.chosen.model
    if kept.model is not None and kept.model != f"{current.provider}/{current.id}":
        session.output.note(f"it was held with {kept.model}: /model {kept.model}")


def _picked(session: Session) -> str:
    """The id of the conversation that the user chooses; empty if none. Where none can be chosen,
    they are listed."""
    database = session.asker.paths.database
    are_kept = bool(recent_conversations(database, 1))
    if is_dumb() or not are_kept:
        history(session, "")
        if are_kept:
            session.output.note("/load ID goes on with one")
        return ""
    from localai.session.picker import pick_conversation

    return pick_conversation(database) or ""


def history(session: Session, argument: str) -> None:
    """List the last conversations, or those with TEXT in their title or in what was said."""
    found = recent_conversations(session.asker.paths.database, _RECENT, argument)
    if not found:
        session.output.note(
            "there is no such conversation" if argument else "no conversation is kept yet"
        )
    current = session.conversation.recorder.conversation_id
    columns = session.output.columns
    for row in found:
        here = "*" if row.id == current else " "
        when = f"{day_and_minute(row.updated_at)}  " if columns >= _DATED_COLUMNS else ""
        start = f"{here} {row.id}  {when}"
        print(start + one_line(row.title or "(without a title)", columns - len(start) - 1))


def title(session: Session, argument: str) -> None:
    """Show what the conversation is called, or call it so."""
    if argument:
        session.title = " ".join(argument.split())
        session.conversation.rename(session.title)
    session.output.note(f"title: {current_title(session) or '(none yet)'}")


def current_title(session: Session) -> str | None:
    """What the conversation is called: what the user said, else its first question."""
    turns = session.conversation.turns
    if session.title is not None:
        return one_line(session.title, 80)
    return one_line(without_files(turns[0].message.text), 80) if turns else None


def save(session: Session, argument: str) -> None:
    """Write this branch of the conversation into a Markdown file, by default called after its
    title. A file that is there already stays as it is."""
    if not session.conversation.turns:
        raise InvalidInput("there is nothing to save yet")
    name = current_title(session)
    path = user_path(argument) if argument else Path(_file_name(name))
    document = conversation_markdown(name, session.conversation.tree.branch())
    try:
        create_atomically(path, [document.encode("utf-8", "replace")])
    except FileExistsError as error:
        raise InvalidInput(
            f"{path} is there already", hint="take another name: /save ANOTHER-NAME.md"
        ) from error
    except OSError as error:
        raise cannot_write(path, error) from error
    session.output.note(f"saved as {path} ({counted(len(session.conversation.turns), 'message')})")


def context(session: Session, _argument: str) -> None:
    """How many tokens are used, reserved for the next answer, and free."""
    asker, last = session.asker, session.conversation.last_answer
    limit = asker.chosen.model.context_limit
    used = 0 if last is None else last.context_tokens
    if used is None:
        session.output.note("not known before this branch's next answer")
        return
    allocated = None if last is None else last.allocated_tokens
    total = allocated or asker.settings.context_tokens or limit
    if total is None:
        session.output.note(f"{counted(used, 'token')} used; how many there are is not known")
        return
    reserved = asker.options.max_tokens or ANSWER_TOKENS
    encoding = sys.stdout.encoding or "ascii"
    for line in context_bar(
        used, reserved, total, columns=session.output.columns - 1, encoding=encoding
    ):
        print(line)
    if limit is not None and allocated is not None and limit > allocated:
        session.output.note(f"it grows when it is needed, as far as the model's {limit:,} tokens")
    if last is not None and last.model != f"{asker.chosen.model.provider}/{asker.chosen.model.id}":
        session.output.note(f"as {last.model} counts")


def compact(session: Session, _argument: str) -> None:
    """Fold all but the last question and answer into a summary, written by the local model.
    The whole stays in a branch of its own."""
    asker, conversation = session.asker, session.conversation
    require_on_device(asker)
    folded, kept = parted(conversation.turns)
    writer = name_in_a_line(asker.chosen.model)
    session.output.note(f"folding {counted(len(folded), 'message')} into a summary by {writer}:")

    def show(events: Events) -> Answer:
        answer = session.show_events(events)
        conversation.recorder.used(answer.model, answer.done)
        return answer

    summary = summarise(asker, folded, show)
    if not summary:
        raise LocalaiError("the model wrote no summary; nothing was folded")
    conversation.fold(summary, kept)
    unseen = count_pictures(turn.message for turn in folded)
    characters = sum(len(turn.message.text) for turn in folded)
    session.output.note(
        f"folded {counted(len(folded), 'message')} of {counted(characters, 'character')}"
        f" into {len(summary):,}; messages {len(folded) + 1} and {len(folded) + 2} stay as they"
        " were. The whole is in /branches"
    )
    if unseen:
        session.output.note(f"{counted(unseen, 'picture')} in them will not be seen any more")
    if len(summary) >= characters:
        session.output.warn("the summary is longer than what it stands for")


def _file_name(title: str | None) -> str:
    words = re.sub(r"[^\w-]+", "-", title or "conversation").strip("-").lower()
    return f"{words[:60] or 'conversation'}.md"


def say_where_we_are(session: Session, kept: StoredConversation) -> None:
    """The conversation's name, and its last question and answer."""
    turns = session.conversation.turns
    title = sanitize(kept.title or "without a title").replace("\n", " ")
    session.output.note(f"going on with {kept.id}: {title} ({counted(len(turns), 'message')})")
    if (loss := loss_doubt(kept.lost_pictures)) is not None:
        session.output.warn(loss)
    if len(turns) >= 2:
        print(f"\n>>> {sanitize(turns[-2].message.text).strip()}")
        for line in picture_lines(turns[-2]):
            print(line)
        session.show_text(turns[-1].message.text)

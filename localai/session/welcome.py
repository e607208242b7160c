"""What a session says first: who answers, where, and what went before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localai.output.streams import note
from localai.output.untrusted import sanitize
from localai.session.model_commands import zone_label
from localai.session.state import Session

if TYPE_CHECKING:
    from localai.chat.resume import StoredConversation


def say_welcome(session: Session, kept: StoredConversation | None) -> None:
    """Name the model and its zone; show the last exchange of a conversation that goes on."""
    model = session.asker.chosen.model
    note(f"{model.provider}/{model.id} · {zone_label(model)} · /help tells more, Ctrl-D leaves")
    if not session.records:
        note("nothing of this session is kept")
    if kept is not None:
        say_where_we_are(session, kept)
    print()


def say_where_we_are(session: Session, kept: StoredConversation) -> None:
    """The conversation's name, and its last question and answer."""
    turns = session.conversation.turns
    title = sanitize(kept.title or "without a title").replace("\n", " ")
    note(f"going on with {kept.id}: {title} ({len(turns)} messages)")
    if len(turns) >= 2:
        print(f"\n>>> {sanitize(turns[-2].message.text).strip()}")
        session.show_text(turns[-1].message.text)

"""A stored conversation, read back so that it can be continued."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from localai.chat.turn_tree import Turn, TurnTree, conversation_tokens
from localai.dataclass import dataclass
from localai.errors import NotFound

if TYPE_CHECKING:
    from localai.database import ConversationSummary, Database, StoredMessage, StoredPicture
    from localai.events import Usage

_SEARCHED = 200


@dataclass(frozen=True, slots=True)
class StoredConversation:
    """A conversation from the database; its tree stands where the user left it."""

    id: str
    title: str | None
    tree: TurnTree

    @property
    def leaf_id(self) -> int | None:
        """The stored message under which it continues; None is before the first one."""
        return None if self.tree.leaf is None else self.tree[self.tree.leaf].stored_id

    @property
    def lost_pictures(self) -> int:
        """How many pictures of its branch are no longer kept, so that no model sees them again."""
        return sum(turn.lost_pictures for turn in self.tree.branch())

    @property
    def model(self) -> str | None:
        """The model that answered last, `provider/id`; None if that was a cloud's, which is never
        asked again without the user's word."""
        last = self._last_answer
        return None if last is None or last.zone == "cloud" else last.model

    @property
    def preset(self) -> str | None:
        """The preset by which it was asked; None as for `model`, or if it was asked by none."""
        last = self._last_answer
        return None if last is None or last.zone == "cloud" else last.preset

    @property
    def _last_answer(self) -> Turn | None:
        answers = [turn for turn in self.tree.branch() if turn.message.role == "assistant"]
        return answers[-1] if answers else None


def resume(file: Path, wanted: str | None) -> StoredConversation:
    """The conversation whose id starts with `wanted`, by default the one written to last.

    Raises NotFound, DatabaseUnavailable.
    """
    from localai.database import Database

    if not file.exists():
        # Opening the database would create it, and `--no-log` promises no trace.
        raise NotFound("there is no conversation yet", command='localai chat "hello"')
    database = Database(file)
    try:
        found = (
            database.last_conversation() if wanted is None else database.find_conversation(wanted)
        )
        return read_conversation(database, found)
    finally:
        database.close()


def read_conversation(database: Database, conversation_id: str) -> StoredConversation:
    """That conversation, which must exist. Raises DatabaseUnavailable."""
    return StoredConversation(
        conversation_id, database.title(conversation_id), _tree(database, conversation_id)
    )


def recent_conversations(
    file: Path, limit: int, text: str = "", *, as_typed: bool = False
) -> list[ConversationSummary]:
    """The newest conversations. With a `text`, those that have it in their title, then those in
    which it was said; `as_typed`: its last word may go on. Empty if nothing is stored.

    Raises DatabaseUnavailable.
    """
    from localai.database import Criteria, Database

    if not file.exists():
        return []
    database = Database(file)
    try:
        rows = database.summaries(Criteria(), limit, text)
        if text:
            query = f"{text}*" if as_typed and text[-1].isalnum() else text
            hits = database.search(query, Criteria(), _SEARCHED) or []
            known = {row.id for row in rows}
            more = dict.fromkeys(hit.conversation_id for hit in hits)
            rows += [database.summary(each) for each in more if each not in known]
        return rows[:limit]
    finally:
        database.close()


def _tree(database: Database, conversation_id: str) -> TurnTree:
    tree = TurnTree()
    leaf = database.leaf(conversation_id)
    pictures = database.pictures(conversation_id)
    own: dict[int | None, int | None] = {None: None}
    for message in database.messages(conversation_id):
        tree.leaf = own[message.parent_id]
        usage = database.usage_of(message.id) if message.id == leaf else None
        own[message.id] = tree.add(_turn(message, pictures.get(message.id, ()), usage)).id
    tree.leaf = own[leaf]
    return tree


def _turn(message: StoredMessage, pictures: Sequence[StoredPicture], usage: Usage | None) -> Turn:
    kept = tuple(each.picture for each in pictures if each.picture is not None)
    return Turn(
        0,
        None,
        message.as_message(kept),
        model=None if message.model is None else f"{message.provider}/{message.model}",
        zone=message.zone,
        finish_reason=message.finish_reason,
        stored_id=message.id,
        context_tokens=None if usage is None else conversation_tokens(usage),
        lost_pictures=len(pictures) - len(kept),
        preset=message.preset,
    )

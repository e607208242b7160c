"""Conversations while they go on: a tree of messages each.

An answer is stored while it streams. Its `finish_reason` is NULL until the stream ends, so an
answer whose command was killed needs no repair: it counts as cut.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from sqlite3 import Row

from localai.database.pictures import Pictures
from localai.dataclass import dataclass
from localai.errors import DatabaseUnavailable, InvalidInput, NotFound
from localai.events import Locality
from localai.near_names import near_names
from localai.types import Message, Picture, Role, ToolCall, Zone

_NEAR_IDS = 4
_LOOKED_AT = 5000
_DELETED = "the conversation was deleted meanwhile"


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message with its place in the tree. An answer without finish_reason was cut off.

    `tool_calls` are those of an answer. A message of the role `tool` is the result of the call
    `tool_call_id`.
    """

    id: int
    conversation_id: str
    parent_id: int | None
    role: Role
    text: str
    reasoning: str | None
    created_at: float
    provider: str | None
    model: str | None
    zone: str | None
    finish_reason: str | None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    preset: str | None = None

    def as_message(self, pictures: tuple[Picture, ...] = ()) -> Message:
        """The message, with its pictures, in the form for a provider."""
        return Message(
            self.role,
            self.text,
            pictures,
            reasoning=self.reasoning,
            tool_calls=self.tool_calls,
            tool_call_id=self.tool_call_id,
        )


class Conversations(Pictures):
    """Storing a conversation as it happens, and reading it back so that it can be continued."""

    def create_conversation(self, conversation_id: str | None = None) -> str:
        """Make a new, empty conversation. Returns its id: the given one, or ten characters that are
        easy to type."""
        identifier = conversation_id or os.urandom(5).hex()
        now = time.time()
        with self.guarded():
            self.db.execute(
                "INSERT INTO conversation (id, created_at, updated_at) VALUES (?, ?, ?)",
                (identifier, now, now),
            )
        return identifier

    def set_title(self, conversation_id: str, title: str) -> None:
        """Call the conversation `title`."""
        with self.guarded():
            self.db.execute(
                "UPDATE conversation SET title = ? WHERE id = ?", (title, conversation_id)
            )

    def title(self, conversation_id: str) -> str | None:
        """The title of the conversation; None if it has none."""
        with self.guarded():
            row = self.db.execute(
                "SELECT title FROM conversation WHERE id = ?", (conversation_id,)
            ).fetchone()
        return None if row is None else row["title"]

    def add_message(
        self,
        conversation_id: str,
        parent_id: int | None,
        message: Message,
        *,
        provider: str | None = None,
        model: str | None = None,
        zone: Zone | None = None,
        preset: str | None = None,
        finish_reason: str | None = None,
        pictures_limit_bytes: int | None = None,
    ) -> int:
        """Append a message under `parent_id` and return its id. Beyond `pictures_limit_bytes` the
        oldest pictures of all conversations are given up.

        Raises DatabaseUnavailable if the conversation was deleted meanwhile.
        """
        now = time.time()
        with self.transaction():
            updated = self.db.execute(
                "UPDATE conversation SET updated_at = ?, leaf_id = NULL WHERE id = ?",
                (now, conversation_id),
            )
            if updated.rowcount == 0:
                raise DatabaseUnavailable(_DELETED)
            cursor = self.db.execute(
                "INSERT INTO message (conversation_id, parent_id, role, text, reasoning,"
                " created_at, provider, model, zone, preset, finish_reason, tool_calls,"
                " tool_call_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    conversation_id,
                    parent_id,
                    message.role,
                    message.text,
                    message.reasoning,
                    now,
                    provider,
                    model,
                    None if zone is None else zone.label,
                    preset,
                    finish_reason,
                    _calls_text(message.tool_calls),
                    message.tool_call_id,
                ),
            )
            message_id = int(cursor.lastrowid or 0)
            self._keep_pictures(message_id, message.pictures, pictures_limit_bytes)
        return message_id

    def set_answer_model(
        self,
        message_id: int,
        provider: str,
        model: str,
        zone: Zone | None,
        preset: str | None = None,
    ) -> None:
        """Note that another model than the one asked first gives this answer."""
        with self.guarded():
            self.db.execute(
                "UPDATE message SET provider = ?, model = ?, zone = ?, preset = ? WHERE id = ?",
                (provider, model, None if zone is None else zone.label, preset, message_id),
            )

    def update_answer(
        self,
        message_id: int,
        text: str,
        reasoning: str | None,
        tool_calls: Sequence[ToolCall] = (),
    ) -> None:
        """Store what has come so far of a streaming answer. Raises DatabaseUnavailable if the
        conversation was deleted meanwhile."""
        with self.guarded():
            updated = self.db.execute(
                "UPDATE message SET text = ?, reasoning = ?, tool_calls = ? WHERE id = ?",
                (text, reasoning, _calls_text(tool_calls), message_id),
            )
        if updated.rowcount == 0:
            raise DatabaseUnavailable(_DELETED)

    def finish_answer(
        self, message_id: int, finish_reason: str, locality: Locality | None = None
    ) -> None:
        """Mark an answer as ended; `locality` says where it was computed, if known."""
        zone = None if locality is None or locality.zone is None else locality.zone.label
        with self.guarded():
            self.db.execute(
                "UPDATE message SET finish_reason = ?, zone = coalesce(?, zone) WHERE id = ?",
                (finish_reason, zone, message_id),
            )

    def last_conversation(self) -> str:
        """The id of the conversation that was written to last. Raises NotFound if there is none."""
        with self.guarded():
            row = self.db.execute(
                "SELECT id FROM conversation ORDER BY updated_at DESC LIMIT 1"
            ).fetchone()
        if row is None:
            raise NotFound("there is no conversation to continue", command='localai chat "hello"')
        return str(row["id"])

    def find_conversation(self, prefix: str) -> str:
        """The id that starts with `prefix`; else that of the conversation with this title, or of
        the only one whose title begins with it. Raises NotFound if none or several do, and
        InvalidInput for an empty prefix, with which every id starts."""
        wanted = prefix.strip().lower()
        if not wanted:
            raise InvalidInput("an empty id names no conversation", command="localai history list")
        with self.guarded():
            rows = self.db.execute(
                "SELECT id FROM conversation WHERE substr(id, 1, ?) = ?"
                " ORDER BY updated_at DESC LIMIT ?",
                (len(wanted), wanted, _NEAR_IDS + 1),
            ).fetchall()
        found = [str(row["id"]) for row in rows] or self._called(wanted)
        if len(found) == 1:
            return found[0]
        if found:
            more = ", …" if len(found) > _NEAR_IDS else ""
            listed = ", ".join(found[:_NEAR_IDS]) + more
            message = f"several conversations start with {prefix!r}: {listed}"
        else:
            near = self._near_ids(wanted)
            meant = f"; did you mean {' or '.join(near)}?" if near else ""
            message = f"no conversation starts with {prefix!r}{meant}"
        raise NotFound(message, command="localai history list")

    def _called(self, wanted: str) -> list[str]:
        """The ids of the conversations with that title; else of those whose title begins with
        it."""
        with self.guarded():
            rows = self.db.execute(
                "SELECT id, title FROM conversation WHERE title IS NOT NULL"
                " ORDER BY updated_at DESC"
            ).fetchall()
        titles = {str(row["id"]): " ".join(str(row["title"]).split()).lower() for row in rows}
        whole = [id_ for id_, title in titles.items() if title == wanted]
        begun = [id_ for id_, title in titles.items() if title.startswith(wanted)]
        return (whole or begun)[: _NEAR_IDS + 1]

    def conversation_ids(self) -> set[str]:
        """The ids of all conversations."""
        with self.guarded():
            return {str(row["id"]) for row in self.db.execute("SELECT id FROM conversation")}

    def _near_ids(self, wanted: str) -> list[str]:
        """The ids whose beginning differs little from `wanted`."""
        with self.guarded():
            rows = self.db.execute(
                "SELECT id FROM conversation ORDER BY updated_at DESC LIMIT 5000"
            )
            starts = {str(row["id"])[: len(wanted)]: str(row["id"]) for row in rows}
        return near_names(wanted, starts, means=starts, likeness=0.75)

    def set_leaf(self, conversation_id: str, leaf_id: int | None) -> None:
        """Store that the conversation continues under `leaf_id`; None is before its first message.
        The next message that is added becomes the leaf by itself."""
        with self.guarded():
            self.db.execute(
                "UPDATE conversation SET leaf_id = ? WHERE id = ?", (leaf_id or 0, conversation_id)
            )

    def leaf(self, conversation_id: str) -> int | None:
        """The message under which the conversation continues; None is before the first one."""
        with self.guarded():
            row = self.db.execute(
                "SELECT coalesce((SELECT leaf_id FROM conversation WHERE id = :id),"
                " (SELECT max(id) FROM message WHERE conversation_id = :id)) AS leaf",
                {"id": conversation_id},
            ).fetchone()
        return row["leaf"] or None

    def messages(self, conversation_id: str) -> list[StoredMessage]:
        """The whole tree, in the order in which it was written: parents before children."""
        with self.guarded():
            rows = self.db.execute(
                "SELECT * FROM message WHERE conversation_id = ? ORDER BY id", (conversation_id,)
            ).fetchall()
        return [_stored(row) for row in rows]


def _stored(row: Row) -> StoredMessage:
    fields = dict(row)
    calls = json.loads(fields["tool_calls"] or "[]")
    return StoredMessage(**{**fields, "tool_calls": tuple(ToolCall(**call) for call in calls)})


def _calls_text(calls: Sequence[ToolCall]) -> str | None:
    return json.dumps([asdict(call) for call in calls], ensure_ascii=False) if calls else None

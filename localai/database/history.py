"""Looking back on conversations: listing, searching, and deleting them for good."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from localai.database.conversations import Conversations
from localai.database.excerpts import excerpt
from localai.database.search_words import match_expression
from localai.dataclass import dataclass
from localai.types import Role

# Another writer waits five seconds at most, and tries every tenth of a second.
_LONGEST_TRANSACTION_S = 0.05
_PAUSE_S = 0.02
_MERGED_PAGES = 200
_GIVEN_BACK_PAGES = 4096

_SUMMARY = """
    SELECT conversation.id, title, conversation.created_at, updated_at, provider, model,
        (SELECT count(*) FROM message
            WHERE conversation_id = conversation.id AND role <> 'system') AS messages,
        (SELECT group_concat(DISTINCT coalesce(zone, 'unproven')) FROM message
            WHERE conversation_id = conversation.id AND role = 'assistant') AS zones
    FROM conversation LEFT JOIN message AS answer ON answer.id =
        (SELECT max(id) FROM message
            WHERE conversation_id = conversation.id AND role = 'assistant')
"""
_HITS = """
    SELECT message.id AS message_id, message.conversation_id, title, role, message.created_at,
        provider, model, zone, message.text AS text,
        highlight(message_search, 0, char(2), char(3)) AS highlighted
    FROM message_search
    CROSS JOIN message ON message.id = message_search.rowid
    CROSS JOIN conversation ON conversation.id = message.conversation_id
"""

_ZONES = ("cloud", "unproven", "lan", "device")


@dataclass(frozen=True, slots=True)
class Criteria:
    """The conversations or messages that are wanted; None is any.

    `model` is a part of `provider/model`, `zone` a zone's label or `unproven`, of an answer. Times
    are in seconds since the epoch; `until` is not included.
    """

    model: str | None = None
    zone: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """A conversation in a list. Times are seconds since the epoch; system prompts do not count as
    messages.

    `provider` and `model` gave the newest answer. `zones` are those of all answers; an unknown one
    is `unproven`.
    """

    id: str
    title: str | None
    created_at: float
    updated_at: float
    messages: int
    provider: str | None
    model: str | None
    zones: frozenset[str]

    @property
    def widest_zone(self) -> str | None:
        """The widest zone of any answer; `unproven` is wider than all but the cloud. None if there
        is no answer."""
        return next((zone for zone in _ZONES if zone in self.zones), None)


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found. `marks` are the ranges (from, up to) in `excerpt` that match; the
    excerpt has an ellipsis for each omission."""

    message_id: int
    conversation_id: str
    title: str | None
    role: Role
    created_at: float
    provider: str | None
    model: str | None
    zone: str | None
    excerpt: str
    marks: tuple[tuple[int, int], ...]


class History(Conversations):
    """All conversations, for listing, searching and deleting."""

    def summaries(
        self, criteria: Criteria, limit: int | None, title_part: str = ""
    ) -> list[ConversationSummary]:
        """The newest conversations with an answer that meets the criteria, that were last written
        to in that time and have `title_part` in their title; all of them without a `limit`."""
        wanted = ["instr(lower(coalesce(title, '')), lower(:title_part))"]
        if criteria.since is not None:
            wanted.append("updated_at >= :since")
        if criteria.until is not None:
            wanted.append("updated_at < :until")
        if answer := _answer_wanted(criteria):
            wanted.append(
                "EXISTS (SELECT 1 FROM message AS given WHERE"
                f" given.conversation_id = conversation.id AND {answer})"
            )
        values = {**_values(criteria, limit), "title_part": title_part}
        return self._summaries(" AND ".join(wanted), values)

    def summary(self, conversation_id: str) -> ConversationSummary:
        """The summary of that conversation, which must exist."""
        (found,) = self._summaries("conversation.id = :id", {"id": conversation_id, "limit": 1})
        return found

    def stale(self, before: float | None, keep: int | None) -> list[ConversationSummary]:
        """The conversations last written to before that time that are not among the newest `keep`.
        A None sets no condition."""
        newest = "SELECT id FROM conversation ORDER BY updated_at DESC, rowid DESC LIMIT :keep"
        where = f"updated_at < :before AND conversation.id NOT IN ({newest})"
        before = float("inf") if before is None else before
        return self._summaries(where, {"before": before, "keep": keep or 0, "limit": -1})

    def _summaries(self, where: str, values: dict[str, object]) -> list[ConversationSummary]:
        query = f"{_SUMMARY} WHERE {where} ORDER BY updated_at DESC LIMIT :limit"
        with self.guarded():
            rows = [dict(row) for row in self.db.execute(query, values)]
        zones = [frozenset((row.pop("zones") or "").split(",")) - {""} for row in rows]
        return [
            ConversationSummary(**row, zones=each) for row, each in zip(rows, zones, strict=True)
        ]

    def search(self, query: str, criteria: Criteria, limit: int | None) -> list[Hit] | None:
        """The newest messages with all words of `query`, among them a "phrase" and a begin*; None
        if it has no word. A question has the model and the zone of its answer."""
        expression = match_expression(query)
        if expression is None:
            return None
        wanted = ["message_search MATCH :query"]
        if criteria.since is not None:
            wanted.append("message.created_at >= :since")
        if criteria.until is not None:
            wanted.append("message.created_at < :until")
        if answer := _answer_wanted(criteria):
            wanted.append(
                "EXISTS (SELECT 1 FROM message AS given"
                f" WHERE (given.id = message.id OR given.parent_id = message.id) AND {answer})"
            )
        statement = (
            f"{_HITS} WHERE {' AND '.join(wanted)} ORDER BY message_search.rowid DESC LIMIT :limit"
        )
        values = {**_values(criteria, limit), "query": expression}
        with self.guarded():
            rows = [dict(row) for row in self.db.execute(statement, values)]
        return [_hit(row) for row in rows]

    def delete_conversations(self, conversation_ids: Iterable[str]) -> bool:
        """Delete them: rows, pictures that no other has, words in the index, and their traces in
        the file and its log. The file gives its free pages back.

        Returns False if another process is reading, so that the log keeps its content until that
        ends. The usage of the calls stays in the ledger, which has no texts.
        """
        left = deque(conversation_ids)
        for identifier in left:
            self._delete_pictures(identifier)
        while left:
            with self.transaction():
                ends = time.monotonic() + _LONGEST_TRANSACTION_S
                while left and time.monotonic() < ends:
                    self._delete(left.popleft())
            time.sleep(_PAUSE_S)
        self._merge_index()
        self._give_back()
        with self.guarded():
            busy, _, _ = self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def _delete_pictures(self, identifier: str) -> None:
        """Each in a transaction of its own: to overwrite 200 MB takes seconds, for which no other
        writer waits."""
        with self.guarded():
            places = self.db.execute(
                "SELECT message_id, number FROM message_picture JOIN message ON"
                " message.id = message_id WHERE conversation_id = ?",
                (identifier,),
            ).fetchall()
        for place in places:
            with self.transaction():
                self.db.execute(
                    "DELETE FROM message_picture WHERE message_id = ? AND number = ?", tuple(place)
                )

    def _delete(self, identifier: str) -> None:
        # A long conversation is a deep tree, and SQLite follows a cascade at most a thousand
        # levels.
        self.db.execute(
            "UPDATE message SET parent_id = NULL WHERE conversation_id = ?", (identifier,)
        )
        self.db.execute("DELETE FROM conversation WHERE id = ?", (identifier,))

    def _merge_index(self) -> None:
        """Merge the index, which until then only notes what was deleted: as `optimize` does, but a
        piece at a time."""
        pages = -_MERGED_PAGES
        while True:
            before = self.db.total_changes
            with self.transaction():
                self.db.execute(
                    "INSERT INTO message_search (message_search, rank) VALUES ('merge', ?)",
                    (pages,),
                )
            # One change is the command's own row; a second one shows that something was merged.
            if self.db.total_changes - before < 2:
                return
            pages = _MERGED_PAGES
            time.sleep(_PAUSE_S)

    def _give_back(self) -> None:
        """Shorten the file by its free pages, some at a time."""
        with self.guarded():
            while self.db.execute("PRAGMA freelist_count").fetchone()[0]:
                before = self.db.execute("PRAGMA page_count").fetchone()[0]
                # A page is a step of this statement, and `execute` takes one step.
                self.db.executescript(f"PRAGMA incremental_vacuum({_GIVEN_BACK_PAGES})")
                if self.db.execute("PRAGMA page_count").fetchone()[0] == before:
                    return
                time.sleep(_PAUSE_S)


def _answer_wanted(criteria: Criteria) -> str:
    wanted = []
    if criteria.model is not None:
        wanted.append("instr(lower(given.provider || '/' || given.model), lower(:model))")
    if criteria.zone is not None:
        wanted.append("coalesce(given.zone, 'unproven') = :zone")
    return " AND ".join(["given.role = 'assistant'", *wanted]) if wanted else ""


def _values(criteria: Criteria, limit: int | None) -> dict[str, object]:
    return {
        "model": criteria.model,
        "zone": criteria.zone,
        "since": criteria.since,
        "until": criteria.until,
        "limit": -1 if limit is None else limit,
    }


def _hit(row: dict[str, Any]) -> Hit:
    shown, marks = excerpt(row.pop("text"), row.pop("highlighted"))
    return Hit(**row, excerpt=shown, marks=marks)

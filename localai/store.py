"""The SQLite file: conversations (a tree of messages), usage, the egress ledger.

Owns the schema and its migrations, and nothing about what is shown. One writer at a time,
WAL, so a kill at any moment loses at most the last unflushed piece of an answer. Deleted means
gone: `secure_delete` overwrites what is removed.

An answer is stored while it streams. Its `finish_reason` is NULL until the stream ends, so an
answer whose writer was killed needs no repair: it simply reads as cut.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localai.errors import InvalidInput, LocalaiError, NotFound
from localai.paths import private_dir
from localai.types import EgressRecord, Locality, Message, Purpose, Role, Timings, Usage, Zone

# Migration N takes the file from version N to N + 1. Never edit one that was released.
_MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE conversation (
        id          TEXT PRIMARY KEY,
        title       TEXT,
        created_at  REAL NOT NULL,
        updated_at  REAL NOT NULL
    ) STRICT;
    CREATE INDEX conversation_updated ON conversation (updated_at DESC);

    CREATE TABLE message (
        id               INTEGER PRIMARY KEY,
        conversation_id  TEXT NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
        parent_id        INTEGER REFERENCES message (id) ON DELETE CASCADE,
        role             TEXT NOT NULL,
        text             TEXT NOT NULL,
        reasoning        TEXT,
        created_at       REAL NOT NULL,
        provider         TEXT,
        model            TEXT,
        zone             TEXT,
        finish_reason    TEXT
    ) STRICT;
    CREATE INDEX message_conversation ON message (conversation_id, id);
    CREATE INDEX message_parent ON message (parent_id);

    CREATE TABLE usage (
        id                INTEGER PRIMARY KEY,
        message_id        INTEGER REFERENCES message (id) ON DELETE SET NULL,
        at                REAL NOT NULL,
        command           TEXT NOT NULL,
        provider          TEXT NOT NULL,
        model             TEXT NOT NULL,
        zone              TEXT,
        input_tokens      INTEGER,
        output_tokens     INTEGER,
        cached_tokens     INTEGER,
        reasoning_tokens  INTEGER,
        cache_write_tokens INTEGER,
        total_s           REAL
    ) STRICT;
    CREATE INDEX usage_at ON usage (at);

    CREATE TABLE egress (
        id              INTEGER PRIMARY KEY,
        at              REAL NOT NULL,
        command         TEXT NOT NULL,
        purpose         TEXT NOT NULL,
        host            TEXT NOT NULL,
        address         TEXT NOT NULL,
        port            INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX egress_at ON egress (at);
    """,
    # Where the user stands if it is not at the newest message: 0 is before the first one.
    """
    ALTER TABLE conversation ADD COLUMN leaf_id INTEGER
    """,
)


class StoreUnavailable(LocalaiError):
    """The database cannot be opened or written: read-only folder, full disk, damaged file."""

    exit_code = 1
    kind = "store_unavailable"


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message with its place in the tree. An answer without finish_reason was cut off."""

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

    def as_message(self) -> Message:
        """The message as a provider wants it."""
        return Message(self.role, self.text, reasoning=self.reasoning)


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """A conversation in a list; `updated_at` is seconds since the epoch."""

    id: str
    title: str | None
    updated_at: float


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One call's usage; `at` is seconds since the epoch."""

    at: float
    command: str
    provider: str
    model: str
    zone: str | None
    usage: Usage
    total_s: float | None


class Store:
    """An open database. Every method raises StoreUnavailable where the disk does not play along."""

    def __init__(self, file: Path) -> None:
        """Open `file`, creating and migrating it as needed."""
        self._file = file
        try:
            private_dir(file.parent)
            if not file.exists():
                os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        except (OSError, InvalidInput) as error:
            raise _unavailable(file, error) from error
        with self._guarded(), _alone(file.parent):
            self._db = sqlite3.connect(file, timeout=5, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.execute("PRAGMA secure_delete = ON")
            self._migrate()

    def close(self) -> None:
        """Close the file; what was written is safe already."""
        self._db.close()

    def _migrate(self) -> None:
        if self._version() == len(_MIGRATIONS):
            return
        with self._transaction():
            version = self._version()
            if version > len(_MIGRATIONS):
                raise StoreUnavailable(
                    f"{self._file} was written by a newer localai (format {version})",
                    hint="upgrade localai, or set LOCALAI_HOME to another folder",
                )
            for step in _MIGRATIONS[version:]:
                for statement in step.split(";"):
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise _unavailable(self._file, error) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._guarded():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                # SQLite may have rolled back by itself (disk full); a second one is an error.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    # Conversations

    def create_conversation(self) -> str:
        """A new, empty conversation's id: ten characters that are easy to type."""
        identifier = secrets.token_hex(5)
        now = time.time()
        with self._guarded():
            self._db.execute(
                "INSERT INTO conversation (id, created_at, updated_at) VALUES (?, ?, ?)",
                (identifier, now, now),
            )
        return identifier

    def set_title(self, conversation_id: str, title: str) -> None:
        """Call the conversation `title`."""
        with self._guarded():
            self._db.execute(
                "UPDATE conversation SET title = ? WHERE id = ?", (title, conversation_id)
            )

    def title(self, conversation_id: str) -> str | None:
        """What the conversation is called; None if it has no title."""
        with self._guarded():
            row = self._db.execute(
                "SELECT title FROM conversation WHERE id = ?", (conversation_id,)
            ).fetchone()
        return None if row is None else row["title"]

    def recent(self, limit: int, title_part: str = "") -> list[ConversationRow]:
        """At most `limit` conversations whose title contains `title_part`, newest first."""
        with self._guarded():
            rows = self._db.execute(
                "SELECT id, title, updated_at FROM conversation"
                " WHERE instr(lower(coalesce(title, '')), lower(?))"
                " ORDER BY updated_at DESC LIMIT ?",
                (title_part, limit),
            ).fetchall()
        return [ConversationRow(**dict(row)) for row in rows]

    def add_message(
        self,
        conversation_id: str,
        parent_id: int | None,
        message: Message,
        *,
        provider: str | None = None,
        model: str | None = None,
        zone: Zone | None = None,
        finish_reason: str | None = None,
    ) -> int:
        """Append a message under `parent_id` and return its id."""
        now = time.time()
        with self._transaction():
            cursor = self._db.execute(
                "INSERT INTO message (conversation_id, parent_id, role, text, reasoning,"
                " created_at, provider, model, zone, finish_reason)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                    finish_reason,
                ),
            )
            self._db.execute(
                "UPDATE conversation SET updated_at = ?, leaf_id = NULL WHERE id = ?",
                (now, conversation_id),
            )
        return int(cursor.lastrowid or 0)

    def set_answer_model(
        self, message_id: int, provider: str, model: str, zone: Zone | None
    ) -> None:
        """Another model than the one asked first gives this answer."""
        with self._guarded():
            self._db.execute(
                "UPDATE message SET provider = ?, model = ?, zone = ? WHERE id = ?",
                (provider, model, None if zone is None else zone.label, message_id),
            )

    def update_answer(self, message_id: int, text: str, reasoning: str | None) -> None:
        """Store what has come so far of a streaming answer."""
        with self._guarded():
            self._db.execute(
                "UPDATE message SET text = ?, reasoning = ? WHERE id = ?",
                (text, reasoning, message_id),
            )

    def finish_answer(
        self, message_id: int, finish_reason: str, locality: Locality | None = None
    ) -> None:
        """Mark an answer as ended; `locality` is what was learned of where it was computed."""
        zone = None if locality is None or locality.zone is None else locality.zone.label
        with self._guarded():
            self._db.execute(
                "UPDATE message SET finish_reason = ?, zone = coalesce(?, zone) WHERE id = ?",
                (finish_reason, zone, message_id),
            )

    def last_conversation(self) -> str:
        """The id of the conversation that was written to last. Raises NotFound if there is none."""
        with self._guarded():
            row = self._db.execute(
                "SELECT id FROM conversation ORDER BY updated_at DESC LIMIT 1"
            ).fetchone()
        if row is None:
            raise NotFound("there is no conversation to continue", hint='localai chat "hello"')
        return str(row["id"])

    def find_conversation(self, prefix: str) -> str:
        """The id that starts with `prefix`. Raises NotFound if none or several do."""
        with self._guarded():
            rows = self._db.execute(
                "SELECT id FROM conversation WHERE substr(id, 1, ?) = ? LIMIT 2",
                (len(prefix), prefix),
            ).fetchall()
        if len(rows) != 1:
            several = "several conversations start" if rows else "no conversation starts"
            raise NotFound(f"{several} with {prefix!r}", hint="localai chat, and there /history")
        return str(rows[0]["id"])

    def set_leaf(self, conversation_id: str, leaf_id: int | None) -> None:
        """Remember that the conversation goes on under `leaf_id`, None being before its first
        message; the next message that is added becomes the leaf by itself."""
        with self._guarded():
            self._db.execute(
                "UPDATE conversation SET leaf_id = ? WHERE id = ?", (leaf_id or 0, conversation_id)
            )

    def leaf(self, conversation_id: str) -> int | None:
        """The message under which the conversation goes on; None is before the first one."""
        with self._guarded():
            row = self._db.execute(
                "SELECT coalesce((SELECT leaf_id FROM conversation WHERE id = :id),"
                " (SELECT max(id) FROM message WHERE conversation_id = :id)) AS leaf",
                {"id": conversation_id},
            ).fetchone()
        return row["leaf"] or None

    def messages(self, conversation_id: str) -> list[StoredMessage]:
        """The whole tree, in the order in which it was written: parents before children."""
        with self._guarded():
            rows = self._db.execute(
                "SELECT * FROM message WHERE conversation_id = ? ORDER BY id", (conversation_id,)
            ).fetchall()
        return [StoredMessage(**dict(row)) for row in rows]

    def branch(self, conversation_id: str, leaf_id: int | None = None) -> list[StoredMessage]:
        """The messages from the root to `leaf_id` (default: where the user stands), oldest
        first."""
        if leaf_id is None:
            leaf_id = self.leaf(conversation_id)
        with self._guarded():
            rows = self._db.execute(
                """
                WITH RECURSIVE line (id, depth) AS (
                    SELECT ?, 0
                    UNION ALL
                    SELECT message.parent_id, depth + 1 FROM line JOIN message USING (id)
                    WHERE message.parent_id IS NOT NULL
                )
                SELECT message.* FROM line JOIN message USING (id) ORDER BY depth DESC
                """,
                (leaf_id,),
            ).fetchall()
        return [StoredMessage(**dict(row)) for row in rows]

    # Usage

    def record_usage(
        self,
        *,
        command: str,
        provider: str,
        model: str,
        usage: Usage,
        timings: Timings,
        locality: Locality,
        message_id: int | None = None,
    ) -> None:
        """Store one call's token counts; unknown counts stay NULL."""
        with self._guarded():
            self._db.execute(
                "INSERT INTO usage (message_id, at, command, provider, model, zone, input_tokens,"
                " output_tokens, cached_tokens, reasoning_tokens, cache_write_tokens, total_s)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    message_id,
                    time.time(),
                    command,
                    provider,
                    model,
                    None if locality.zone is None else locality.zone.label,
                    usage.input_tokens,
                    usage.output_tokens,
                    usage.cached_tokens,
                    usage.reasoning_tokens,
                    usage.cache_write_tokens,
                    timings.total_s,
                ),
            )

    def usage_of(self, message_id: int) -> Usage | None:
        """The tokens of the call that gave this answer; None if that is not known."""
        with self._guarded():
            row = self._db.execute(
                "SELECT input_tokens, output_tokens, cached_tokens, reasoning_tokens,"
                " cache_write_tokens FROM usage WHERE message_id = ?",
                (message_id,),
            ).fetchone()
        return None if row is None else Usage(*row)

    def usage_since(self, since: float) -> list[UsageRow]:
        """Every call since `since` (seconds since the epoch), oldest first."""
        with self._guarded():
            rows = self._db.execute(
                "SELECT * FROM usage WHERE at >= ? ORDER BY at, id", (since,)
            ).fetchall()
        return [
            UsageRow(
                at=row["at"],
                command=row["command"],
                provider=row["provider"],
                model=row["model"],
                zone=row["zone"],
                usage=Usage(
                    row["input_tokens"],
                    row["output_tokens"],
                    row["cached_tokens"],
                    row["reasoning_tokens"],
                    row["cache_write_tokens"],
                ),
                total_s=row["total_s"],
            )
            for row in rows
        ]

    # Egress

    def record_egress(self, record: EgressRecord) -> None:
        """Append a connection that left the machine to the ledger."""
        with self._guarded():
            self._db.execute(
                "INSERT INTO egress (at, command, purpose, host, address, port)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    record.at,
                    record.command,
                    record.purpose.value,
                    record.host,
                    record.address,
                    record.port,
                ),
            )

    def egress_since(self, since: float) -> list[EgressRecord]:
        """The ledger since `since` (seconds since the epoch), oldest first."""
        with self._guarded():
            rows = self._db.execute(
                "SELECT at, command, purpose, host, address, port FROM egress"
                " WHERE at >= ? ORDER BY at, id",
                (since,),
            ).fetchall()
        return [EgressRecord(**{**dict(row), "purpose": Purpose(row["purpose"])}) for row in rows]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from opening a database in `folder` meanwhile.

    SQLite's own waiting does not cover the switch of a new file to WAL: two first commands at
    once would end one of them with "database is locked".
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _unavailable(file: Path, error: Exception) -> StoreUnavailable:
    reason = error.message if isinstance(error, LocalaiError) else str(error)
    return StoreUnavailable(
        f"cannot use the database {file}: {reason}",
        hint="check free space and permissions (df -h; ls -l), or set LOCALAI_HOME",
    )

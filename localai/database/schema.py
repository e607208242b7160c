"""The tables of the SQLite file, as the migrations that made them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

# Migration N takes the file from version N to N + 1. Never edit one that was released.
MIGRATIONS: tuple[str, ...] = (
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
    # The message at which the user stands, if it is not the newest: 0 is before the first one.
    """
    ALTER TABLE conversation ADD COLUMN leaf_id INTEGER
    """,
    # What the user and the models said, to be searched. The index holds words, not texts: what it
    # needs of those it reads through the view.
    """
    CREATE VIEW message_words AS
        SELECT id, search_words(text) AS text FROM message WHERE role <> 'system';

    CREATE VIRTUAL TABLE message_search USING fts5 (
        text, content = 'message_words', content_rowid = 'id',
        tokenize = 'unicode61 remove_diacritics 2'
    );

    CREATE TRIGGER message_search_insert AFTER INSERT ON message
    WHEN new.role <> 'system' BEGIN
        INSERT INTO message_search (rowid, text) VALUES (new.id, search_words(new.text));
    END;

    CREATE TRIGGER message_search_delete AFTER DELETE ON message
    WHEN old.role <> 'system' BEGIN
        INSERT INTO message_search (message_search, rowid, text)
            VALUES ('delete', old.id, search_words(old.text));
    END;

    CREATE TRIGGER message_search_update AFTER UPDATE OF text ON message
    WHEN old.role <> 'system' BEGIN
        INSERT INTO message_search (message_search, rowid, text)
            VALUES ('delete', old.id, search_words(old.text));
        INSERT INTO message_search (rowid, text) VALUES (new.id, search_words(new.text));
    END;

    INSERT INTO message_search (message_search) VALUES ('rebuild');
    """,
    # How fast an answer came: what a model really did here corrects what is predicted of it.
    """
    ALTER TABLE usage ADD COLUMN decode_tokens_per_s REAL
    """,
    # Tokens and seconds apart: rates were kept before, of which those of llama.cpp and Ollama
    # counted the first token, which comes out of the prefill. They are not carried over.
    """
    ALTER TABLE usage DROP COLUMN decode_tokens_per_s;
    ALTER TABLE usage ADD COLUMN prefill_tokens INTEGER;
    ALTER TABLE usage ADD COLUMN prefill_s REAL;
    ALTER TABLE usage ADD COLUMN decode_tokens INTEGER;
    ALTER TABLE usage ADD COLUMN decode_s REAL
    """,
    # An answer's calls of tools, as JSON, and which call a tool's message is the result of.
    """
    ALTER TABLE message ADD COLUMN tool_calls TEXT;
    ALTER TABLE message ADD COLUMN tool_call_id TEXT
    """,
    # Benchmarks: a run with its machine and plan, and a row for each of its cells, whose samples
    # are within. `saved_as` is the name of a baseline; a run that was broken off has no `ended_at`.
    """
    CREATE TABLE bench_run (
        id          TEXT PRIMARY KEY,
        created_at  REAL NOT NULL,
        ended_at    REAL,
        saved_as    TEXT UNIQUE,
        -- How fast the machine itself was: see bench/anchor.py.
        anchor      REAL,
        document    TEXT NOT NULL
    ) STRICT;
    CREATE INDEX bench_run_created ON bench_run (created_at DESC);

    CREATE TABLE bench_cell (
        run_id    TEXT NOT NULL REFERENCES bench_run (id) ON DELETE CASCADE,
        number    INTEGER NOT NULL,
        document  TEXT NOT NULL,
        -- What predictions read: only of quiet cells on this machine there is a rate.
        provider             TEXT NOT NULL,
        model                TEXT NOT NULL,
        decode_tokens_per_s  REAL,
        depth_tokens         INTEGER,
        PRIMARY KEY (run_id, number)
    ) STRICT;
    """,
    # Words are folded by `search_words` itself, in every script: SQLite's own folding is Latin's,
    # and to it the vowel signs of India's scripts end a word.
    """
    DROP TABLE message_search;
    CREATE VIRTUAL TABLE message_search USING fts5 (
        text, content = 'message_words', content_rowid = 'id',
        tokenize = "unicode61 remove_diacritics 0 categories 'L* N* Co Mn Mc'"
    );
    INSERT INTO message_search (message_search) VALUES ('rebuild');
    """,
    # The pictures that were shown, each once, with the messages that have them. Without `data` a
    # picture was given up for the bound on all of them.
    """
    CREATE TABLE picture (
        digest      TEXT PRIMARY KEY,
        media_type  TEXT NOT NULL,
        size_bytes  INTEGER NOT NULL,
        data        BLOB
    ) STRICT;

    CREATE TABLE message_picture (
        message_id  INTEGER NOT NULL REFERENCES message (id) ON DELETE CASCADE,
        number      INTEGER NOT NULL,
        digest      TEXT NOT NULL REFERENCES picture (digest),
        PRIMARY KEY (message_id, number)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX message_picture_digest ON message_picture (digest);

    CREATE TRIGGER message_picture_delete AFTER DELETE ON message_picture
    WHEN NOT EXISTS (SELECT 1 FROM message_picture WHERE digest = old.digest) BEGIN
        DELETE FROM picture WHERE digest = old.digest;
    END;
    """,
    # The preset by which an answer was asked for, so that a conversation goes on with it.
    """
    ALTER TABLE message ADD COLUMN preset TEXT
    """,
)


def statements(script: str) -> Iterator[str]:
    """The statements of `script` one by one: a trigger has semicolons within."""
    statement = ""
    for part in script.split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""

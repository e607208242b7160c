"""The open file: its settings, its migrations, its transactions.

One writer at a time, WAL, so a kill at any moment loses at most the last unflushed piece of an
answer. What is deleted is gone: `secure_delete` overwrites it.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from localai.database.schema import MIGRATIONS, statements
from localai.database.search_words import search_words
from localai.errors import DatabaseFull, DatabaseUnavailable, InvalidInput, LocalaiError
from localai.locks import lock_descriptor
from localai.paths import can_be_written, private_dir

_LOG_BYTES: Final = 4 << 20
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class _Connection(sqlite3.Connection):
    """SQLite's connection, which takes half a character as well: names of files may hold one, and
    UTF-8 cannot. It becomes U+FFFD, as where it is shown."""

    def execute(self, statement: str, values: Any = (), /) -> sqlite3.Cursor:
        """As SQLite's own."""
        try:
            return super().execute(statement, values)
        except UnicodeEncodeError:
            if isinstance(values, Mapping):
                named = {name: _whole(value) for name, value in values.items()}
                return super().execute(statement, named)
            return super().execute(statement, [_whole(each) for each in values])


def _whole(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class DatabaseFile:
    """The open file. Use `db` only within `guarded` or `transaction`; threads that share it take
    turns."""

    def __init__(self, file: Path) -> None:
        """Open `file`, creating and migrating it as needed. In a read-only folder, an existing file
        can be read. Raises DatabaseUnavailable."""
        self.file = file
        if file.exists() and not can_be_written(file.parent):
            with self.guarded():
                self._open_to_read()
            return
        try:
            private_dir(file.parent)
            if not file.exists():
                os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        except (OSError, InvalidInput) as error:
            raise _unavailable(file, error) from error
        with self.guarded(), _alone(file.parent):
            self.db = sqlite3.connect(
                file,
                timeout=5,
                isolation_level=None,
                check_same_thread=False,
                factory=_Connection,
            )
            self.db.row_factory = sqlite3.Row
            # Only of a new file: `delete_conversations` gives its free pages back.
            self.db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self.db.execute("PRAGMA journal_mode = WAL")
            # A large picture makes a large log, which would stay as large.
            self.db.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
            self.db.execute("PRAGMA synchronous = NORMAL")
            # As `put_on_disk`; elsewhere than on macOS both change nothing.
            self.db.execute("PRAGMA fullfsync = ON")
            self.db.execute("PRAGMA checkpoint_fullfsync = ON")
            self.db.execute("PRAGMA foreign_keys = ON")
            self.db.execute("PRAGMA secure_delete = ON")
            # Triggers update the index, and may do so only in a schema that is trusted.
            self.db.execute("PRAGMA trusted_schema = ON")
            self.db.create_function("search_words", 1, search_words, deterministic=True)
            self._migrate()

    def _open_to_read(self) -> None:
        log = Path(f"{self.file}-wal")
        # Without a log nobody is writing to it; with one, SQLite reads the two together.
        is_whole = not log.exists() or not log.stat().st_size
        mode = "mode=ro&immutable=1" if is_whole else "mode=ro"
        self.db = sqlite3.connect(
            f"{self.file.absolute().as_uri()}?{mode}",
            uri=True,
            timeout=5,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
        )
        self.db.row_factory = sqlite3.Row
        self.db.create_function("search_words", 1, search_words, deterministic=True)
        if (version := self._version()) != len(MIGRATIONS):
            raise DatabaseUnavailable(
                f"{self.file} was written by another localai (format {version}), and its folder is"
                " read-only",
                hint="set LOCALAI_HOME to a folder that can be written",
            )

    def close(self) -> None:
        """Close the file; what was written is safe already."""
        self.db.close()

    def _migrate(self) -> None:
        if self._version() == len(MIGRATIONS):
            return
        with self.transaction():
            version = self._version()
            if version > len(MIGRATIONS):
                raise DatabaseUnavailable(
                    f"{self.file} was written by a newer localai (format {version})",
                    hint="upgrade localai, or set LOCALAI_HOME to another folder",
                )
            for step in MIGRATIONS[version:]:
                for statement in statements(step):
                    self.db.execute(statement)
            self.db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _version(self) -> int:
        return int(self.db.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn SQLite's errors in the block into DatabaseUnavailable."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise _unavailable(self.file, error) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all that the block writes, or nothing of it. Raises DatabaseUnavailable."""
        with self.guarded():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                # SQLite may have rolled back by itself (disk full); a second rollback is an error.
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
            self.db.execute("COMMIT")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from opening a database in `folder` meanwhile.

    SQLite's own waiting does not cover the switch of a new file to WAL: without this, one of two
    first commands at the same time ends with "database is locked".
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock_descriptor(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)


def _unavailable(file: Path, error: Exception) -> DatabaseUnavailable:
    reason = error.message if isinstance(error, LocalaiError) else str(error)
    message = f"cannot use the database {file}: {reason}"
    # The lower byte is the kind of the error, the upper one its variant.
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) in _FULL:
        return DatabaseFull(
            message,
            hint="make room, or set LOCALAI_HOME",
            command=("df", "-h", file.parent),
            check="disk",
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseUnavailable(message, hint="another program writes to it: try again")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DatabaseUnavailable(
            message,
            hint="put it aside, and localai begins a new one",
            command=("mv", file, f"{file}.damaged"),
            check="database-damaged",
        )
    return DatabaseUnavailable(
        message,
        hint="check its permissions, or set LOCALAI_HOME to another folder",
        command=("ls", "-ld", file.parent, file),
        check="disk",
    )

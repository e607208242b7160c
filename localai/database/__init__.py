"""The SQLite file: conversations (a tree of messages each), usage, the egress ledger, benchmarks.

Every method raises DatabaseUnavailable if the file cannot be read or written. Nothing here knows
how anything is shown.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from localai.database.benchmarks import Benchmarks, BenchRunRow, MeasuredRate
from localai.database.conversations import StoredMessage
from localai.database.history import ConversationSummary, Criteria, History, Hit
from localai.database.ledgers import DecodeRow, Ledgers, UsageRow
from localai.database.pictures import StoredPicture

__all__ = [
    "BenchRunRow",
    "ConversationSummary",
    "Criteria",
    "Database",
    "DecodeRow",
    "Hit",
    "MeasuredRate",
    "StoredMessage",
    "StoredPicture",
    "UsageRow",
    "existing_database",
]


class Database(History, Ledgers, Benchmarks):
    """An open database, with all its tables."""


@contextmanager
def existing_database(file: Path) -> Iterator[Database | None]:
    """The database; None if there is none yet, because opening it would create it."""
    if not file.exists():
        yield None
        return
    with closing(Database(file)) as database:
        yield database

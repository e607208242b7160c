"""The SQLite file: conversations (a tree of messages each), usage, the egress ledger.

Every method raises DatabaseUnavailable where the file cannot be read or written. Nothing here knows
what is shown.
"""

from localai.database.conversations import ConversationRow, StoredMessage
from localai.database.history import ConversationSummary, Criteria, History, Hit
from localai.database.ledgers import DecodeRow, Ledgers, UsageRow

__all__ = [
    "ConversationRow",
    "ConversationSummary",
    "Criteria",
    "Database",
    "DecodeRow",
    "Hit",
    "StoredMessage",
    "UsageRow",
]


class Database(History, Ledgers):
    """An open database, with all that is kept in it."""

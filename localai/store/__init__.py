"""The SQLite file: conversations (a tree of messages each), usage, the egress ledger.

Every method raises StoreUnavailable where the disk does not play along. Nothing here knows what is
shown.
"""

from localai.store.conversations import ConversationRow, StoredMessage
from localai.store.database import StoreUnavailable
from localai.store.history import ConversationSummary, Criteria, History, Hit
from localai.store.ledgers import DecodeRow, Ledgers, UsageRow

__all__ = [
    "ConversationRow",
    "ConversationSummary",
    "Criteria",
    "DecodeRow",
    "Hit",
    "Store",
    "StoreUnavailable",
    "StoredMessage",
    "UsageRow",
]


class Store(History, Ledgers):
    """An open database, with all that is kept in it."""

"""The entry of the egress ledger: a connection that was permitted to leave the machine.

It says where to and why, never what was said. Storing it is the store's work.
"""

from __future__ import annotations

from dataclasses import dataclass

from localai.types import Purpose


@dataclass(frozen=True, slots=True)
class EgressRecord:
    """One permitted connection off this machine.

    `at` is in seconds since the epoch, when the connection was begun: the entry is there even if
    the other side never answered. `host` is what was resolved or given, `address` what was
    connected to. Bytes are None where nobody counted them (the guard sees no content).
    """

    at: float
    command: str
    purpose: Purpose
    host: str
    address: str
    port: int
    bytes_sent: int | None = None
    bytes_received: int | None = None

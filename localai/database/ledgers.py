"""The ledgers: the usage of every call, and every connection that left the machine."""

from __future__ import annotations

import time
from typing import Final

from localai.database.file import DatabaseFile
from localai.dataclass import dataclass
from localai.events import Locality, Timings, Usage
from localai.types import EgressRecord, Purpose

# A shorter answer ends before its speed is steady.
_LEAST_TOKENS: Final = 16


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


@dataclass(frozen=True, slots=True)
class DecodeRow:
    """How fast one answer came, and the tokens of it and its prompt."""

    timings: Timings
    input_tokens: int
    output_tokens: int


class Ledgers(DatabaseFile):
    """Entering calls and connections, and reading them back."""

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
        with self.guarded():
            self.db.execute(
                "INSERT INTO usage (message_id, at, command, provider, model, zone, input_tokens,"
                " output_tokens, cached_tokens, reasoning_tokens, cache_write_tokens, total_s,"
                " prefill_tokens, prefill_s, decode_tokens, decode_s)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                    timings.prefill_tokens,
                    timings.prefill_s,
                    timings.decode_tokens,
                    timings.decode_s,
                ),
            )

    def decode_rows(
        self, provider: str, model: str, *, since: float = 0, limit: int = 10
    ) -> list[DecodeRow]:
        """The decode rates of a model's last answers on this machine, the newest first.

        Only from `since` (seconds since the epoch) on, when its file was written: before, the name
        may have meant another model. Short answers are left out, and those of a batch, because they
        shared the engine.
        """
        with self.guarded():
            rows = self.db.execute(
                "SELECT decode_tokens, decode_s, coalesce(input_tokens, 0), output_tokens"
                " FROM usage WHERE provider = ? AND model = ? AND at >= ?"
                " AND zone = 'device' AND command <> 'batch'"
                " AND decode_tokens > 0 AND decode_s > 0 AND output_tokens >= ?"
                " ORDER BY id DESC LIMIT ?",
                (provider, model, since, _LEAST_TOKENS, limit),
            ).fetchall()
        return [
            DecodeRow(Timings(decode_tokens=tokens, decode_s=seconds), prompt, answer)
            for tokens, seconds, prompt, answer in rows
        ]

    def usage_of(self, message_id: int) -> Usage | None:
        """The tokens of the last call for this answer, which may have been continued after a cut;
        None if unknown."""
        with self.guarded():
            row = self.db.execute(
                "SELECT input_tokens, output_tokens, cached_tokens, reasoning_tokens,"
                " cache_write_tokens FROM usage WHERE message_id = ? ORDER BY id DESC LIMIT 1",
                (message_id,),
            ).fetchone()
        return None if row is None else Usage(*row)

    def usage_since(self, since: float) -> list[UsageRow]:
        """Every call since `since` (seconds since the epoch), oldest first."""
        with self.guarded():
            rows = self.db.execute(
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

    def record_egress(self, record: EgressRecord) -> None:
        """Append a connection that left the machine to the ledger."""
        with self.guarded():
            self.db.execute(
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
        with self.guarded():
            rows = self.db.execute(
                "SELECT at, command, purpose, host, address, port FROM egress"
                " WHERE at >= ? ORDER BY at, id",
                (since,),
            ).fetchall()
        return [EgressRecord(**{**dict(row), "purpose": Purpose(row["purpose"])}) for row in rows]

"""Benchmarks: runs, and the rows of each, as documents that this module does not interpret.

A row is written again after every repetition, so that a killed run keeps all that it measured.
"""

from __future__ import annotations

import json
import os
import time
from sqlite3 import Row
from typing import Any

from localai.database.file import DatabaseFile
from localai.dataclass import dataclass
from localai.errors import InvalidInput, NotFound
from localai.near_names import near_names

_NEAR = 4


@dataclass(frozen=True, slots=True)
class BenchRunRow:
    """A run. Times are seconds since the epoch; without `ended_at` it was broken off, or still
    runs. `saved_as` is the name of a baseline, `anchor` the measured speed of the machine
    itself."""

    id: str
    created_at: float
    ended_at: float | None
    saved_as: str | None
    anchor: float | None
    document: Any


@dataclass(frozen=True, slots=True)
class MeasuredRate:
    """How fast a model answered on this machine while nothing disturbed it, at the depth of the
    answer's middle; None if unknown."""

    provider: str
    model: str
    decode_tokens_per_s: float | None = None
    depth_tokens: int | None = None


class Benchmarks(DatabaseFile):
    """Storing runs, and reading them back."""

    def create_bench_run(self, document: Any, *, created_at: float | None = None) -> str:
        """Store a new run. Returns its id, six characters that are easy to type."""
        identifier = os.urandom(3).hex()
        with self.guarded():
            self.db.execute(
                "INSERT INTO bench_run (id, created_at, document) VALUES (?, ?, ?)",
                (identifier, created_at or time.time(), json.dumps(document)),
            )
        return identifier

    def put_bench_cell(self, run_id: str, number: int, document: Any, rate: MeasuredRate) -> None:
        """Store the state of a run's row; it replaces an earlier one."""
        with self.guarded():
            self.db.execute(
                "INSERT OR REPLACE INTO bench_cell (run_id, number, document, provider, model,"
                " decode_tokens_per_s, depth_tokens) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    run_id,
                    number,
                    json.dumps(document),
                    rate.provider,
                    rate.model,
                    rate.decode_tokens_per_s,
                    rate.depth_tokens,
                ),
            )

    def bench_rates(
        self, provider: str, model: str, *, since: float = 0, limit: int = 10
    ) -> list[MeasuredRate]:
        """The rates of a model's undisturbed benchmarks on this machine, the newest first, from
        `since` (seconds since the epoch) on."""
        with self.guarded():
            rows = self.db.execute(
                "SELECT provider, model, decode_tokens_per_s, depth_tokens FROM bench_cell"
                " JOIN bench_run ON bench_run.id = run_id"
                " WHERE provider = ? AND model = ? AND decode_tokens_per_s > 0 AND created_at >= ?"
                " ORDER BY created_at DESC LIMIT ?",
                (provider, model, since, limit),
            ).fetchall()
        return [MeasuredRate(**dict(row)) for row in rows]

    def end_bench_run(self, run_id: str, anchor: float | None) -> None:
        """Note that a run came to its end, and how fast the machine itself was."""
        with self.guarded():
            self.db.execute(
                "UPDATE bench_run SET ended_at = ?, anchor = ? WHERE id = ?",
                (time.time(), anchor, run_id),
            )

    def save_bench_run(self, run_id: str, name: str) -> None:
        """Make the run the baseline `name`; it replaces an earlier one."""
        with self.transaction():
            self.db.execute("UPDATE bench_run SET saved_as = NULL WHERE saved_as = ?", (name,))
            self.db.execute("UPDATE bench_run SET saved_as = ? WHERE id = ?", (name, run_id))

    def bench_runs(self, limit: int | None = None) -> list[BenchRunRow]:
        """The runs, the newest first."""
        with self.guarded():
            rows = self.db.execute(
                "SELECT * FROM bench_run ORDER BY created_at DESC, rowid DESC LIMIT ?",
                (-1 if limit is None else limit,),
            ).fetchall()
        return [_run(row) for row in rows]

    def find_bench_run(self, name: str) -> BenchRunRow:
        """The run that was saved as `name`, or whose id begins with it; `last` is the newest.

        Raises NotFound if none is, InvalidInput if several are.
        """
        runs = self.bench_runs()
        wanted = name.strip().lower()
        saved = [run for run in runs if run.saved_as == name.strip()]
        found = saved or [run for run in runs if wanted and run.id.startswith(wanted)]
        if wanted == "last":
            found = found or runs[:1]
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(run.id for run in found[:_NEAR])
            raise InvalidInput(
                f"several benchmarks begin with {name!r}: {listed}", command="localai bench list"
            )
        near = near_names(wanted, {run.saved_as or run.id: run for run in runs})
        meant = f"; did you mean {' or '.join(near)}?" if near else ""
        raise NotFound(f"there is no benchmark {name!r}{meant}", command="localai bench list")

    def bench_cells(self, run_id: str) -> list[Any]:
        """The rows of a run, in their order."""
        with self.guarded():
            rows = self.db.execute(
                "SELECT document FROM bench_cell WHERE run_id = ? ORDER BY number", (run_id,)
            ).fetchall()
        return [json.loads(row["document"]) for row in rows]

    def delete_bench_run(self, run_id: str) -> None:
        """Delete a run and its rows."""
        with self.guarded():
            self.db.execute("DELETE FROM bench_run WHERE id = ?", (run_id,))


def _run(row: Row) -> BenchRunRow:
    return BenchRunRow(**{**dict(row), "document": json.loads(row["document"])})

"""This machine's earlier answers with a model, from the database: they correct a prediction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from localai.sizing.speed import PastRun
from localai.types import ResolvedModel

if TYPE_CHECKING:
    from localai.database import DecodeRow, MeasuredRate
    from localai.paths import Paths


def runs_by_name(
    paths: Paths, names: Iterable[str], providers: Sequence[str]
) -> dict[str, tuple[PastRun, ...]]:
    """The last answers on this machine of each model in `names`, from any of `providers`; models
    without answers are left out."""
    if not paths.database.exists():
        return {}
    from localai.database import Database

    database = Database(paths.database)
    try:
        found = {
            name: (
                *_measured(r for each in providers for r in database.bench_rates(each, name)),
                *_runs(row for each in providers for row in database.decode_rows(each, name)),
            )
            for name in names
        }
    finally:
        database.close()
    return {name: runs for name, runs in found.items() if runs}


def past_runs(paths: Paths, model: ResolvedModel) -> tuple[PastRun, ...]:
    """The last answers of `model` here, the newest first; empty if there were none.

    Answers from before its file was written are left out: the name may have been another model's.
    """
    if not paths.database.exists():
        return ()
    from localai.database import Database

    since = 0.0
    if model.path is not None and model.path.exists():
        since = model.path.stat().st_mtime
    database = Database(paths.database)
    try:
        measured = database.bench_rates(model.provider, model.id, since=since)
        rows = database.decode_rows(model.provider, model.id, since=since)
    finally:
        database.close()
    # Benchmarks on a quiet machine come first: they say more than answers in passing.
    return (*_measured(measured), *_runs(rows))


def _measured(rates: Iterable[MeasuredRate]) -> tuple[PastRun, ...]:
    return tuple(
        PastRun(rate.decode_tokens_per_s, rate.depth_tokens or 0)
        for rate in rates
        if rate.decode_tokens_per_s is not None
    )


def _runs(rows: Iterable[DecodeRow]) -> tuple[PastRun, ...]:
    return tuple(
        PastRun(rate, row.input_tokens + row.output_tokens // 2)
        for row in rows
        if (rate := row.timings.decode_tokens_per_s) is not None
    )

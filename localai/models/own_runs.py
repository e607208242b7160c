"""What this machine did with a model so far, out of the database: it corrects a prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localai.models.speed import OwnRun
from localai.types import ResolvedModel

if TYPE_CHECKING:
    from localai.paths import Paths


def own_runs(paths: Paths, model: ResolvedModel) -> tuple[OwnRun, ...]:
    """The last answers of `model` here, the newest first; empty where there were none.

    Only those since its file was written: under the same name there may have been another one.
    """
    if not paths.database.exists():
        return ()
    from localai.store import Store

    since = 0.0
    if model.path is not None and model.path.exists():
        since = model.path.stat().st_mtime
    store = Store(paths.database)
    try:
        rows = store.decode_rates(model.provider, model.id, since=since)
    finally:
        store.close()
    return tuple(
        OwnRun(row.decode_tokens_per_s, row.input_tokens + row.output_tokens // 2) for row in rows
    )

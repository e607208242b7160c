"""Going on with a run that was broken off, where everything is as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from localai.bench.cell import Cell
from localai.bench.comparison import difference
from localai.bench.plan import Plan, shape_of
from localai.bench.stored_runs import MachineNote, StoredRun, read_runs
from localai.bench.tuning import gains
from localai.errors import InvalidInput, NotFound
from localai.locks import is_locked, try_lock
from localai.paths import Paths, private_dir

if TYPE_CHECKING:
    from localai.database import Database


def broken_off(database: Database, plan: Plan) -> StoredRun:
    """The last run, if it was broken off; it goes on with the plan that it has. `plan` is what was
    asked for now: the same, or nothing.

    Raises NotFound where nothing was broken off, InvalidInput where something else is asked for.
    """
    run = next(iter(read_runs(database, 1)), None)
    if run is None or run.plan is None:
        raise NotFound("no benchmark was broken off", command="localai bench")
    if run.ended_at is not None:
        raise NotFound(
            f"the last benchmark, {run.id}, came to its end: only the last one is continued",
            command="localai bench",
        )
    if run.plan.trials:
        command = "localai bench tune --resume"
        raise InvalidInput("what was broken off is a search for settings", command=command)
    shape = shape_of(None, quick=False, crowded=False)
    nothing = Plan((), (), shape.prompts, shape.answers, shape.depths)
    _require_plan(run, run.plan, plan, nothing, "localai bench --resume")
    return run


def unfinished_search(database: Database, plan: Plan, nothing: Plan) -> StoredRun:
    """The last run of `localai bench tune`, if something of the search is left to do: it was broken
    off, or it ended and something gained that was not measured again. `plan` is what was asked for
    now: the same, or `nothing`. Raises as `broken_off` does."""
    run = next(iter(read_runs(database, 1)), None)
    if run is None or run.plan is None or not run.plan.trials or _is_last_step(run, run.plan):
        raise NotFound("no search for settings was broken off", command="localai bench tune")
    asked = replace(run.plan, trials=(), confirms=None)
    _require_plan(run, asked, plan, nothing, "localai bench tune --resume")
    return run


def _is_last_step(run: StoredRun, plan: Plan) -> bool:
    if run.ended_at is None:
        return False
    return plan.confirms is not None or not gains(run.cells, plan.trials)


def _require_plan(run: StoredRun, asked: Plan, now: Plan, nothing: Plan, command: str) -> None:
    if now not in (asked, nothing):
        raise InvalidInput(
            f"{run.id}, which was broken off, measures something else",
            hint="without other options it goes on as it began",
            command=command,
        )


def claim(run_id: str, paths: Paths) -> None:
    """Note that this process measures the run, for as long as it lives. Raises InvalidInput where
    another one does."""
    folder = private_dir(paths.cache_dir / "bench")
    for left in folder.glob("*.lock"):
        if not is_locked(left):
            left.unlink(missing_ok=True)
    if try_lock(folder / f"{run_id}.lock") is None:
        raise InvalidInput(
            f"the benchmark {run_id} is being measured by another localai",
            hint="it can be continued when that one has ended",
        )


def require_same(run: StoredRun, rows: Sequence[Cell], machine: MachineNote) -> None:
    """Raises InvalidInput, which says why, where the `rows` as they would be measured now, on
    `machine`, are not those of the `run`: two halves that differ make no row."""
    why = _difference(run, rows, machine)
    if why is not None:
        raise InvalidInput(
            f"the benchmark {run.id} cannot go on: {why}",
            hint=f"what it measured is kept: localai bench show {run.id}",
            command="localai bench",
        )


def _difference(run: StoredRun, rows: Sequence[Cell], machine: MachineNote) -> str | None:
    here = replace(run, machine=machine)
    # Killed at its very beginning, it has not all of its rows.
    for before, now in zip(run.cells, rows, strict=False):
        if (before.model, before.test) != (now.model, now.test):
            return f"it is of {before.model}, and {now.model} would be measured"
        if (why := difference(before, now, run, here)) is not None:
            return f"{now.model}: {why}"
        if before.engine != now.engine:
            return f"{now.model}: it was measured in {before.engine}, and this is {now.engine}"
    return None

"""The end of `localai bench`: the baseline, what is shown, and the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localai.errors import FinishedWithFailures, InvalidInput, NotFound
from localai.output.output import Output
from localai.units import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localai.bench.comparison import MetricChange
    from localai.bench.start import Started
    from localai.bench.stored_runs import StoredRun
    from localai.database import Database


def baseline_of(database: Database, name: str, models: Sequence[str]) -> StoredRun:
    """The run to compare with. Raises NotFound with the line that makes one, InvalidInput."""
    from localai.bench.stored_runs import read_run

    try:
        return read_run(database, name)
    except NotFound as missing:
        raise NotFound(
            missing.message,
            hint="a baseline is a run that was saved under that name",
            command=("localai", "bench", *models, "--save", name),
        ) from missing


def save_if_quiet(started: Started, name: str, measured: StoredRun) -> bool:
    """Save the run as a baseline if one of its rows is fit for it; return whether it was."""
    from localai.bench.verdict import verdict

    if not any(verdict(cell) == "quiet" for cell in measured.cells):
        return False
    started.keeper.save_as(name)
    return True


def changes_since(
    baseline: StoredRun | None, measured: StoredRun, threshold: float
) -> tuple[MetricChange, ...] | None:
    """How the rows changed since the baseline; None without one."""
    if baseline is None:
        return None
    from localai.bench.comparison import compared

    return compared(baseline, measured, threshold)


def show_measured(
    output: Output,
    measured: StoredRun,
    baseline: StoredRun | None,
    changes: tuple[MetricChange, ...] | None,
    form: str | None,
) -> None:
    """Print the run in the form that was asked for, and the changes since the baseline."""
    from localai.output.bench import show_changes, show_run

    if form is not None:
        from localai.bench.formats import as_text

        output.write(as_text(measured, form))
        return
    if output.as_json:
        from localai.output.documents.bench import bench_document

        output.document(bench_document(measured, changes))
    show_run(output, measured)
    if baseline is not None and changes is not None:
        output.line("")
        show_changes(output, baseline, measured, changes)


def ending(
    output: Output,
    measured: StoredRun,
    changes: Sequence[MetricChange] | None,
    against: str | None,
    unsaved: str | None,
) -> int:
    """The exit code: 8 if a row became slower or could not be measured, or if the baseline
    `unsaved` could not be kept; 2 if rows cannot be compared."""
    failed = [cell for cell in measured.cells if not cell.succeeded]
    slower = [each for each in changes or () if each.state == "regressed"]
    error: FinishedWithFailures | InvalidInput | None = None
    if failed:
        error = FinishedWithFailures(
            f"{len(failed)} of {counted(len(measured.cells), 'row')} could not be measured"
        )
    elif slower:
        error = FinishedWithFailures(
            f"{counted(len(slower), 'figure is', 'figures are')} worse than in {against}"
        )
    elif changes and all(each.state == "incomparable" for each in changes):
        error = InvalidInput(f"nothing can be compared with {against}: {changes[0].reason}")
    elif unsaved is not None:
        error = FinishedWithFailures(
            f"nothing was saved as {unsaved}: no row was quiet, and a baseline must be",
            hint="the reason stands below the table; end what else computes, and measure again",
        )
    if error is None:
        return 0
    if output.as_json:
        # The document tells the rest.
        if unsaved is not None:
            output.warn(error.message)
        return error.exit_code
    raise error

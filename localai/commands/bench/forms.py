"""The formats in which a benchmark is written: other tools' formats, and the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from localai.errors import InvalidInput
from localai.output.output import Output

if TYPE_CHECKING:
    from localai.bench.comparison import MetricChange
    from localai.bench.stored_runs import StoredRun


def check_format(form: str | None) -> None:
    """Raise InvalidInput for a format that a run cannot be written in."""
    from localai.bench.formats import FORMATS

    if form is not None and form not in FORMATS:
        raise InvalidInput(f"there is no format {form!r}", hint=f"one of: {', '.join(FORMATS)}")


def write_report(
    file: Path, run: StoredRun, changes: Sequence[MetricChange] | None, output: Output
) -> None:
    """Write the run as a page. Raises InvalidInput if the file cannot be written."""
    from localai.files import write_named
    from localai.output.bench_report import report

    write_named(file, report(run, changes).encode(errors="backslashreplace"))
    output.note(f"the report is in {file}")

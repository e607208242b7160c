"""`localai bench list`, `show` and `rm`: the benchmarks that are kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from localai.commands.bench.forms import write_report
from localai.commands.common_options import Json, Quiet, Yes
from localai.errors import InvalidInput, NotFound
from localai.output.output import Output
from localai.paths import locate
from localai.units import counted

if TYPE_CHECKING:
    from localai.bench.stored_runs import StoredRun
    from localai.database import Database

Id = Annotated[str, typer.Argument(help="An id of `localai bench list`, a saved name, or `last`.")]


def list_runs(
    limit: Annotated[
        int, typer.Option("--limit", min=0, help="How many at most; 0 is all of them.")
    ] = 20,
    as_json: Json = False,
) -> None:
    """List the benchmarks of this machine, the newest first."""
    from localai.bench.stored_runs import read_runs
    from localai.output.bench import RUN_COLUMNS, run_row

    output = Output("bench", as_json=as_json)
    with _database() as database:
        runs = [] if database is None else read_runs(database, limit or None)
    if as_json:
        from localai.output.documents.bench import bench_list_document

        output.document(bench_list_document(runs))
    if runs:
        with output.paged():
            output.table(RUN_COLUMNS, [run_row(run) for run in runs])
    else:
        output.note("nothing was measured yet: localai bench")


def show(
    id: Id,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Write a report in place of the table: one page with curves."),
    ] = None,
    share: Annotated[
        Path | None,
        typer.Option(
            "--share", help="Show a copy for other people in full, and write it; nothing is sent."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the table of a benchmark, as it was shown when it ended."""
    from localai.bench.stored_runs import read_run
    from localai.output.bench import show_run

    output = Output("bench", as_json=as_json)
    with open_kept(id) as database:
        run = read_run(database, id)
    if share is not None:
        _share(share, run, output)
        return
    if as_json:
        from localai.output.documents.bench import bench_document

        output.document(bench_document(run))
    if html is not None:
        write_report(html, run, None, output)
        return
    with output.paged():
        show_run(output, run)


def _share(file: Path, run: StoredRun, output: Output) -> None:
    """Show the copy for other people, and write it if the person agrees."""
    import json

    from localai.bench.sharing import shareable
    from localai.files import write_named
    from localai.output.documents.bench import bench_document

    text = json.dumps(bench_document(shareable(run)), indent=2, ensure_ascii=False) + "\n"
    output.write(text)
    if output.may_ask:
        output.confirm(
            f"Write this into {file}?",
            unasked=InvalidInput("nobody is there to be asked"),
            declined="nothing was written",
        )
    write_named(file, text.encode(errors="backslashreplace"))
    output.note(f"it is in {file}, and was sent nowhere")


def rm(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of `localai bench list`, or saved names.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Remove every benchmark.")] = False,
    yes: Yes = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Remove benchmarks."""
    if bool(ids) == everything:
        raise InvalidInput("which? give ids, or --all", command="localai bench list")
    output = Output("bench", as_json=as_json, quiet=quiet)
    with _database() as database:
        if database is None:
            found = []
        elif everything:
            found = database.bench_runs()
        else:
            found = [database.find_bench_run(each) for each in ids or ()]
        if ids and not found:
            raise NotFound("nothing was measured yet", command="localai bench")
        saved = [run.saved_as for run in found if run.saved_as]
        if found and not yes and (everything or saved):
            what = counted(len(found), "benchmark") if everything else f"the baseline {saved[0]}"
            output.confirm(
                f"Forget {what}?",
                unasked=InvalidInput(f"this forgets {what}", hint="--yes does it unasked"),
                declined="nothing was removed",
            )
        for run in found:
            assert database is not None
            database.delete_bench_run(run.id)
    if as_json:
        from localai.output.documents.bench import bench_rm_document

        output.document(bench_rm_document([run.id for run in found]))
    for run in found:
        output.note(f"removed {run.id}")


@contextmanager
def open_kept(id: str) -> Iterator[Database]:
    """The database that has the benchmark `id`. Raises NotFound if there is none."""
    with _database() as database:
        if database is None:
            raise NotFound(f"there is no benchmark {id!r}", command="localai bench")
        yield database


@contextmanager
def _database() -> Iterator[Database | None]:
    from localai.database import existing_database

    with existing_database(locate().database) as database:
        yield database

"""`localai bench compare`, `export` and `import`: benchmarks side by side, and in other tools'
formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from localai.commands.bench.forms import check_format
from localai.commands.bench.looking import Id, open_kept
from localai.commands.common_options import Json
from localai.errors import InvalidInput
from localai.output.output import Output


def compare(
    before: Annotated[
        str, typer.Argument(help="The earlier benchmark: an id, a saved name, or `last`.")
    ],
    after: Annotated[str, typer.Argument(help="The later benchmark.")] = "last",
    threshold: Annotated[
        str,
        typer.Option(
            "--threshold", metavar="PERCENT", help="The difference that counts as a change."
        ),
    ] = "3%",
    as_json: Json = False,
) -> None:
    """Show how each row changed from one benchmark to another."""
    from localai.bench.comparison import compared
    from localai.bench.stored_runs import read_run
    from localai.bench.values import parse_share
    from localai.output.bench import show_changes

    output = Output("bench", as_json=as_json)
    with open_kept(before) as database:
        old, new = read_run(database, before), read_run(database, after)
    if old.id == new.id:
        raise InvalidInput(f"{before} and {after} are one benchmark", command="localai bench list")
    changes = compared(old, new, parse_share(threshold, "--threshold"))
    if as_json:
        from localai.output.documents.bench import bench_compare_document

        output.document(bench_compare_document(old, new, changes))
    show_changes(output, old, new, changes)


def export(
    id: Id = "last",
    form: Annotated[
        str,
        typer.Option("--format", help="llama-bench, md, csv, jsonl or benchstat."),
    ] = "llama-bench",
    file: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this file instead of stdout.")
    ] = None,
) -> None:
    """Write a benchmark in the format of another tool."""
    from localai.bench.formats import as_text
    from localai.bench.stored_runs import read_run
    from localai.files import write_named

    output = Output("bench")
    check_format(form)
    with open_kept(id) as database:
        text = as_text(read_run(database, id), form)
    if file is None:
        output.write(text)
    else:
        write_named(file, text.encode(errors="backslashreplace"))


def import_run(
    file: Annotated[
        Path, typer.Argument(help="A file that `llama-bench -o json` or `-o jsonl` wrote.")
    ],
    as_json: Json = False,
) -> None:
    """Keep a benchmark of llama-bench, to show it and to compare with it."""
    from contextlib import closing

    from localai.bench.formats import read_llama_bench
    from localai.bench.stored_runs import RunRecorder, read_run
    from localai.chat.inputs import read_text_file
    from localai.database import Database
    from localai.output.bench import show_run
    from localai.paths import locate

    output = Output("bench", as_json=as_json)
    text = read_text_file(str(file)).text
    machine, cells = read_llama_bench(text, str(file))
    with closing(Database(locate().database)) as database:
        keeper = RunRecorder.new(database, machine, None)
        for number, cell in enumerate(cells):
            keeper.keep(number, cell)
        keeper.end(None)
        run = read_run(database, keeper.run_id)
    if as_json:
        from localai.output.documents.bench import bench_document

        output.document(bench_document(run))
    show_run(output, run)
    output.note(f"kept as {run.id}: localai bench show {run.id}")

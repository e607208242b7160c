"""`localai bench tune`: the settings of the embedded engine that are worth changing."""

from __future__ import annotations

from typing import Annotated

import typer

from localai.commands.bench.running import follow
from localai.commands.options import Json, Quiet
from localai.commands.settings import load_settings, open_pool
from localai.errors import Interrupted
from localai.output.output import Output


def tune(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(help="The model.  [default: the default model]")
    ] = None,
    prompt: Annotated[
        str, typer.Option("-p", "--prompt", metavar="N", help="Prompt length, in tokens.")
    ] = "256",
    answer: Annotated[
        str, typer.Option("-n", "--answer", metavar="N", help="Answer length, in tokens.")
    ] = "48",
    only: Annotated[
        str | None,
        typer.Option(
            "--only", metavar="SETTING,…", help="Try only these settings: engine.threads,…"
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Try the engine's settings one by one, and say which are worth changing, and by how much.

    No setting is changed: each suggestion is a line to run.
    """
    from contextlib import closing

    from localai.bench.kept import Plan, read_run
    from localai.bench.plan import token_counts
    from localai.bench.start import begin
    from localai.bench.tuning import suggestions, trials
    from localai.database import Database
    from localai.hardware.this_machine import this_machine
    from localai.output.bench import show_run, show_suggestions
    from localai.sizing.devices import gpu_kind

    output = Output("bench", as_json=as_json, quiet=quiet)
    plan = Plan(
        models=() if model is None else (model,),
        engines=("llamacpp",),
        prompts=token_counts(prompt, "-p")[:1],
        answers=token_counts(answer, "-n")[:1],
        depths=(0,),
        quick=True,
    )
    paths, config = load_settings("bench")
    machine = this_machine(paths, "once", output.note)
    cores = int(machine.cpu.usable_cores.value or machine.cpu.physical_cores.value or 1)
    has_gpu = any(gpu_kind(gpu) is not None for gpu in machine.gpus)
    chosen = [each.strip() for each in only.split(",")] if only else []
    current = {key: value.value for key, value in config.values.items()}
    tried = trials(current, cores, has_gpu=has_gpu, only=chosen)
    with closing(Database(paths.database)) as database:
        pool = open_pool(context, paths)
        started = begin(plan, config, paths, pool, database, output.note, manners=tried)
        if follow(started, output):
            raise Interrupted("interrupted")
        started.keeper.end(started.bench.anchor)
        run = read_run(database, started.keeper.run_id)
    found = list(suggestions(run.cells, tried))
    if as_json:
        from localai.output.documents.bench import bench_tune_document

        output.document(bench_tune_document(run, found))
    show_run(output, run, beside=False)
    show_suggestions(output, found)

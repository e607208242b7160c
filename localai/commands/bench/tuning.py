"""`localai bench tune`: the settings of the embedded engine that are worth changing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from localai.commands.bench.running import follow
from localai.commands.options import Json, Quiet
from localai.commands.settings import load_settings, open_pool
from localai.errors import Interrupted, InvalidInput
from localai.output.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from localai.bench.kept import KeptRun, Plan
    from localai.bench.plan import Limits
    from localai.bench.tuning import EngineCores, Manner
    from localai.hardware.facts import Machine


def tune(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(help="The model.  [default: the default model]")
    ] = None,
    prompt: Annotated[
        str, typer.Option("-p", "--prompt", metavar="N", help="Prompt length, in tokens.")
    ] = "512",
    answer: Annotated[
        str, typer.Option("-n", "--answer", metavar="N", help="Answer length, in tokens.")
    ] = "48",
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            help="The lengths and texts of a kind of work in place of these: code-edit, chat, …",
        ),
    ] = None,
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

    What gains is measured a second time, and only that decides. No setting is changed: each
    suggestion is a line to run.
    """
    from localai.bench.kept import Plan
    from localai.bench.plan import QUICK, shape_of, token_counts
    from localai.bench.tuning import CONFIRMING, Advice, advice, confirmations, gains, trials
    from localai.hardware.this_machine import this_machine
    from localai.output.bench import show_run
    from localai.output.bench_tuning import show_advice
    from localai.sizing.devices import gpu_kind

    output = Output("bench", as_json=as_json, quiet=quiet)
    shape = shape_of(profile, quick=False, crowded=False)
    plan = Plan(
        models=() if model is None else (model,),
        engines=("llamacpp",),
        prompts=(shape.prompts if profile else token_counts(prompt, "-p"))[:1],
        answers=(shape.answers if profile else token_counts(answer, "-n"))[:1],
        depths=shape.depths[:1],
        profile=shape.profile,
        quick=True,
    )
    paths, config = load_settings("bench")
    machine = this_machine(paths, "once", output.note)
    tried = trials(
        {key: value.value for key, value in config.values.items()},
        _cores(machine),
        has_gpu=any(gpu_kind(gpu) is not None for gpu in machine.gpus),
        prompt_tokens=plan.prompts[0],
        only=[each.strip() for each in only.split(",")] if only else (),
    )
    if len(tried) == 1:
        raise InvalidInput(f"there is nothing to try of {only} here")
    measure = _measuring(context, plan, output)
    output.note(f"trying {len(tried) - 1} settings, each alone, beside those in force")
    run = measure(tried, QUICK)
    gained, confirming, found = gains(run.cells, tried), None, Advice()
    show_run(output, run, beside=False)
    if gained:
        output.note("measuring once more what gained")
        wanted = confirmations(tried[0], gained)
        confirming = measure(wanted.manners, CONFIRMING)
        found = advice(confirming.cells, wanted)
    if as_json:
        from localai.output.documents.bench import bench_tune_document

        output.document(bench_tune_document(run, confirming, found))
    if confirming is not None:
        output.line("")
        show_run(output, confirming, beside=False)
    show_advice(output, gained, found)


def _measuring(
    context: typer.Context, plan: Plan, output: Output
) -> Callable[[Sequence[Manner], Limits], KeptRun]:
    """What measures a model under settings of its own, and keeps it as a run. Ctrl-C shows what was
    measured."""

    def measure(manners: Sequence[Manner], limits: Limits) -> KeptRun:
        from contextlib import closing

        from localai.bench.kept import read_run
        from localai.bench.start import begin
        from localai.database import Database
        from localai.output.bench import show_run

        paths, config = load_settings("bench")
        with closing(Database(paths.database)) as database:
            started = begin(
                plan,
                config,
                paths,
                pool,
                database,
                output.note,
                manners=manners,
                limits=limits,
            )
            interrupted = follow(started, output)
            if not interrupted:
                started.keeper.end(started.bench.anchor)
            run = read_run(database, started.keeper.run_id)
        if not interrupted:
            return run
        if any(cell.samples for cell in run.cells):
            show_run(output, run, beside=False)
        raise Interrupted("interrupted", command=("localai", "bench", "show", run.id))

    pool = open_pool(context, load_settings("bench")[0])
    return measure


def _cores(machine: Machine) -> EngineCores:
    from localai.bench.tuning import EngineCores

    physical = machine.cpu.physical_cores.value
    usable = int(machine.cpu.usable_cores.value or physical or 1)
    return EngineCores(physical or usable, max(1, usable))

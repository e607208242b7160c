"""`localai bench [MODEL…]`: measure, show, keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from localai.commands.options import Json, Quiet
from localai.commands.settings import load_settings, open_pool
from localai.errors import FinishedWithFailures, Interrupted
from localai.output.output import Output

if TYPE_CHECKING:
    from localai.bench.start import Started


def run(
    context: typer.Context,
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...", help="What to measure; without any, the default model."
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", metavar="NAME,…", help="In which engines: llamacpp,ollama,mlx,…"),
    ] = None,
    prompt: Annotated[
        str, typer.Option("-p", "--prompt", metavar="N,…", help="Prompt lengths, in tokens.")
    ] = "512",
    output_tokens: Annotated[
        str, typer.Option("-n", "--output", metavar="N,…", help="Answer lengths, in tokens.")
    ] = "128",
    depth: Annotated[
        str,
        typer.Option(
            "-d", "--depth", metavar="N,…", help="Tokens that are in the context before: 0,4k,16k."
        ),
    ] = "0",
    quick: Annotated[
        bool, typer.Option("--quick", help="Shorter prompts and answers: under half a minute.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that was broken off last.")
    ] = False,
    allow_cloud: Annotated[
        bool, typer.Option("--allow-cloud", help="Let this one run ask a cloud.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Load even what does not seem to fit.")] = (
        False
    ),
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """How fast models answer on this machine, with intervals and a verdict.

    Every prompt is new and of an exact length, every model is warmed up until it is steady, and
    several are asked in turn. What is measured is kept as it comes: Ctrl-C loses nothing.
    """
    from contextlib import closing

    from localai.bench.kept import Plan, read_run
    from localai.bench.plan import token_counts
    from localai.bench.start import begin, resumed
    from localai.chat.off_device import allow_every_cloud
    from localai.database import Database
    from localai.output.bench import show_run

    output = Output("bench", as_json=as_json, quiet=quiet)
    paths, config = load_settings("bench")
    config = allow_every_cloud(config) if allow_cloud else config
    pool = open_pool(context, paths)
    plan = Plan(
        models=tuple(models or ()),
        engines=tuple(each.strip() for each in (engine or "").split(",") if each.strip()),
        prompts=token_counts("128" if quick and prompt == "512" else prompt, "-p"),
        outputs=token_counts("32" if quick and output_tokens == "128" else output_tokens, "-n"),
        depths=token_counts(depth, "-d"),
        quick=quick,
    )
    with closing(Database(paths.database)) as database:
        before = resumed(database) if resume else None
        started = begin(
            plan, config, paths, pool, database, output.note, force=force, before=before
        )
        for line in started.announcements:
            output.announce(line)
        interrupted = _follow(started, output)
        if not interrupted:
            started.keeper.end()
        measured = read_run(database, started.keeper.run_id)
    if any(cell.samples for cell in measured.cells) or not interrupted:
        if as_json:
            from localai.output.documents.bench import bench_document

            output.document(bench_document(measured))
        show_run(output, measured)
    if interrupted:
        output.note("what was measured is kept: localai bench --resume goes on")
        raise Interrupted("interrupted", command="localai bench --resume")
    output.note(f"kept as {measured.id}: localai bench show {measured.id}")
    failed = [cell.failed for cell in measured.cells if not cell.succeeded]
    if failed:
        text = f"{len(failed)} of {len(measured.cells)} rows could not be measured"
        raise FinishedWithFailures(text) if not as_json else typer.Exit(8)
    return 0


def _follow(started: Started, output: Output) -> bool:
    """Run it and show where it is; whether Ctrl-C ended it."""
    from contextlib import closing

    from localai.output.bench import progress_text

    try:
        with closing(started.bench.run(started.keeper.keep)) as steps:
            for progress in steps:
                output.progress(progress_text(progress))
    except KeyboardInterrupt:
        return True
    finally:
        output.end_progress()
    return False

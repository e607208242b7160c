"""`localai list`: every model that could answer, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from localai.commands.common_options import Json
from localai.commands.settings import load_settings, open_pool
from localai.library.available import available_models, bytes_here, is_used
from localai.output.models import USED_BY, print_models
from localai.output.output import Output
from localai.providers.registry import is_provider, no_such_provider
from localai.stores.presets import list_presets
from localai.units import bytes_text, counted

if TYPE_CHECKING:
    from collections.abc import Collection

    from localai.library.available import AvailableModels
    from localai.paths import Paths

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command("list")
def list_models(
    context: typer.Context,
    provider: Annotated[
        str | None, typer.Option("--provider", help="List only this provider's models.")
    ] = None,
    duplicates: Annotated[
        bool,
        typer.Option(
            "--duplicates", help="List only files that are here twice; they are read to find out."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """List every model on this machine, whoever fetched it, and the models of running servers.

    A file that several programs have is listed once, with its other names below it.
    """
    output = Output("list", as_json=as_json)
    paths, config = load_settings("list")
    if provider is not None and not is_provider(provider, config):
        raise no_such_provider(provider, config)
    if duplicates:
        _list_duplicates(paths, output)
        return
    found = available_models(config, paths, open_pool(context, paths), provider)
    presets = [] if provider is not None else list(list_presets(paths))
    if output.as_json:
        from localai.output.documents.list import list_document

        output.document(list_document(found, presets))
        return
    with output.paged():
        if found.models:
            shown = print_models(found.models, output)
            output.note(_summary(found, shown))
        elif provider is None:
            output.note("there is no model on this machine yet: localai pull starter")
        elif not found.silent:
            output.note(f"{provider} has no model")
        for preset in presets:
            output.note(f"{preset.name} is a preset of {preset.base}")
        for name, problem in found.silent:
            if provider is None and not is_used(name, found, config):
                continue
            named = name in problem.lower().replace(" ", "")
            output.note(problem if named else f"{name}: {problem}")


def _list_duplicates(paths: Paths, output: Output) -> None:
    from localai.library.duplicates import find_duplicates
    from localai.output.duplicates import print_duplicates
    from localai.output.progress import show_work

    found = show_work(find_duplicates(paths), output)
    if output.as_json:
        from localai.output.documents.list import duplicates_document

        output.document(duplicates_document(found))
        return
    with output.paged():
        print_duplicates(found, output)
        if possible := sum(each.freed_bytes for each in found):
            output.note(f"localai dedupe would free {bytes_text(possible)}")
        elif not found:
            output.note("nothing is here twice")


def _summary(found: AvailableModels, shown: Collection[str]) -> str:
    """How many models there are, and which are in memory: by the star where its column is
    shown."""
    local = [each for each in found.models if each.places]
    if not local:
        return counted(len(found.models), "model of a server", "models of servers")
    count = f"{counted(len(local), 'model')} on this machine"
    loaded = [each.model.id for each in found.models if each.loaded_by]
    in_memory = "* is in memory" if USED_BY in shown else f"in memory: {', '.join(loaded)}"
    return f"{count}, {bytes_text(bytes_here(local))}{f'; {in_memory}' if loaded else ''}"

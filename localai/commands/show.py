"""`localai show`: the facts of a model, the memory that it takes, and its predicted speed."""

from __future__ import annotations

from typing import Annotated

import typer

from localai.commands.options import Json, Profile, machine_of
from localai.commands.settings import load_settings, open_pool
from localai.errors import NotFound
from localai.library.details import find_details, memory_table, speed_on
from localai.output.models import details_facts
from localai.output.output import Output

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def show(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A name of `localai list`, or a file or folder.")],
    ctx: Annotated[
        int | None,
        typer.Option("--ctx", min=1, help="Show the memory at this context, in tokens."),
    ] = None,
    template: Annotated[
        bool, typer.Option("--template", help="Print only the chat template, as it is.")
    ] = False,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Show a model's architecture, context, template, licence, files, memory and predicted speed.

    Memory is the engine's own projection, at 4k, 32k and the largest context.
    """
    output = Output("show", as_json=as_json)
    paths, config = load_settings("show")
    details = find_details(model, config, paths, open_pool(context, paths))
    if template and not output.as_json:
        if details.template is None:
            raise NotFound(
                f"{details.model.id} has no chat template", command=("localai", "show", model)
            )
        with output.paged():
            output.write(details.template + "\n")
        return
    table = memory_table(details, paths, ctx, kv_type=config["engine.kv_type"])
    machine = machine_of(profile, paths, output)
    if profile is None:
        from localai.providers.gpu_use import without_idle_gpu
        from localai.setup.engines import idle_gpu_here

        machine = without_idle_gpu(machine, idle_gpu_here(machine, config, paths))
    speed = speed_on(machine, details, table, paths, this_one=profile is None)
    if output.as_json:
        from localai.output.documents.show import show_document

        output.document(show_document(details, table, speed, ctx))
    with output.paged():
        output.facts(details_facts(details, table, speed))

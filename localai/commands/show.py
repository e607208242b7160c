"""`localai show`: the facts of a model, the memory that it takes, and its predicted speed."""

from __future__ import annotations

from typing import Annotated

import typer

from localai.commands.common_options import Json, Profile, machine_of
from localai.commands.settings import load_settings, open_pool
from localai.errors import InvalidInput, NotFound
from localai.library.details import find_details, memory_table, speed_on
from localai.output.model_details import details_facts
from localai.output.output import Output
from localai.units import parse_count

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def show(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A name of `localai list`, or a file or folder.")],
    ctx: Annotated[
        str | None,
        typer.Option("--ctx", help="Show the memory at this context, in tokens, such as 16k."),
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
    tokens = None if ctx is None else _tokens(ctx)
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
    table = memory_table(details, paths, tokens, kv_type=config["engine.kv_type"])
    machine = machine_of(profile, paths, output)
    if profile is None:
        from localai.providers.gpu_use import without_idle_gpu
        from localai.setup.engines import idle_gpu_here

        machine = without_idle_gpu(machine, idle_gpu_here(machine, config, paths))
    speed = speed_on(machine, details, table, paths, this_one=profile is None)
    if output.as_json:
        from localai.output.documents.show import show_document

        output.document(show_document(details, table, speed, tokens))
    with output.paged():
        output.facts(details_facts(details, table, speed))


def _tokens(text: str) -> int:
    try:
        tokens = parse_count(text)
    except ValueError as error:
        raise InvalidInput(f"--ctx takes {error}, not {text!r}", hint="--ctx 16k") from error
    if tokens < 1:
        raise InvalidInput(f"--ctx takes at least 1 token, not {text!r}", hint="--ctx 16k")
    return tokens

"""`localai show`: what a model is, what it takes, and how fast it would be."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from localai.commands.flags import ProfileOption, machine_of
from localai.commands.startup import begin
from localai.errors import NotFound
from localai.library.details import find_sheet, memory_table, speed_on
from localai.output.details import print_sheet
from localai.output.streams import is_terminal, note, print_document
from localai.output.untrusted import sanitize

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="A name of `localai list`, or a file or folder.")],
    ctx: Annotated[
        int | None,
        typer.Option("--ctx", min=1, help="Memory at this context, in tokens."),
    ] = None,
    template: Annotated[
        bool, typer.Option("--template", help="Only the chat template, as it is.")
    ] = False,
    profile: ProfileOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Architecture, parameters, context, template, licence, files, memory, predicted speed.

    Memory is what the engine itself says it would take, at 4k, 32k and the largest context.
    """
    paths, config = begin("show")
    sheet = find_sheet(model, config, paths)
    if template and not as_json:
        if sheet.template is None:
            raise NotFound(
                f"{sheet.model.id} has no chat template", command=("localai", "show", model)
            )
        print(sanitize(sheet.template) if is_terminal(sys.stdout) else sheet.template)
        return
    table = memory_table(sheet, paths, ctx)
    machine = machine_of(profile, paths, None if as_json else note)
    speed = speed_on(machine, sheet, table, paths, this_one=profile is None)
    if as_json:
        from localai.output.documents.show import show_document

        print_document(show_document(sheet, table, speed, ctx))
    else:
        print_sheet(sheet, table, speed)

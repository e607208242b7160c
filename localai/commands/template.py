"""`localai template`: questions that are asked again and again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from localai.chat.inputs import file_text
from localai.chat.templates import (
    BUNDLED,
    find_template,
    list_templates,
    new_file,
    parse_template,
    user_folder,
)
from localai.commands.common_options import Json, Quiet, Yes
from localai.commands.verbs import Verbs
from localai.errors import InvalidInput
from localai.files import cannot_write, write_atomically
from localai.output.output import Output
from localai.output.table import Column
from localai.output.terminal import is_terminal
from localai.paths import locate, private_dir

app = typer.Typer(rich_markup_mode=None, add_completion=False, cls=Verbs)

_COLUMNS = (
    Column("template"),
    Column("description", wraps=True),
    Column("variables", drop=1, wraps=True),
    Column("from", drop=2),
)
_Name = Annotated[str, typer.Argument(help="The template, as `localai template list` names it.")]

_SKELETON = """+++
description = "what it is for, in one line"
# system = "You are …"
# model = "qwen3:8b"
# schema = "name:str, age:int"

[options]
temperature = 0.2

[variables]
language = "English"
+++
<text>
$input
</text>

Say in $language what the text above is about.
"""


@app.command("list")
def list_all(as_json: Json = False) -> None:
    """List every template: its purpose, and its variables with their defaults."""
    output = Output("template", as_json=as_json)
    found = list_templates(locate())
    if output.as_json:
        from localai.output.documents.template import list_document

        output.document(list_document(found))
    rows = [
        [
            template.name,
            template.description,
            ", ".join(template.names),
            "bundled" if template.bundled else str(template.file),
        ]
        for template in found
    ]
    with output.paged():
        output.table(_COLUMNS, rows)


@app.command()
def show(name: _Name, as_json: Json = False) -> None:
    """Print the file of a template, as it is."""
    output = Output("template", as_json=as_json)
    template = find_template(name, locate())
    text = file_text(template.file, "the template")
    if output.as_json:
        from localai.output.documents.template import show_document

        output.document(show_document(template, text))
    else:
        with output.paged():
            output.write(text if text.endswith("\n") else f"{text}\n")


@app.command()
def new(
    name: _Name,
    like: Annotated[
        str | None, typer.Option("--from", help="Begin with a copy of this template.")
    ] = None,
) -> None:
    """Make a template of your own, and open it in $EDITOR on a terminal; its path goes to
    stdout."""
    paths = locate()
    text = _SKELETON
    if like is not None:
        text = file_text(find_template(like, paths).file, "the template")
    file = new_file(name, paths)
    output = Output("template")
    if is_terminal(output.stdin) and output.on_terminal:
        text = _edited(text)
    _write(file, text)
    output.line(str(file))
    if _is_bundled(name):
        output.note(f"it is used in the place of the bundled {name}")


@app.command()
def edit(name: _Name) -> None:
    """Change a template in $EDITOR. A bundled template is copied, and the copy is used from then
    on."""
    output = Output("template")
    paths = locate()
    template = find_template(name, paths)
    before = file_text(template.file, "the template")
    text = _edited(before)
    if text.strip() == before.strip():
        output.note("nothing was changed")
        return
    file = template.file
    if template.bundled:
        file = user_folder(paths) / file.name
        output.note(f"the copy {file} is used from now on; remove it to have the bundled one again")
    _write(file, text)


@app.command()
def rm(name: _Name, yes: Yes = False, quiet: Quiet = False, as_json: Json = False) -> None:
    """Remove a template of your own. A bundled template with that name is used again."""
    output = Output("template", as_json=as_json, quiet=quiet)
    paths = locate()
    template = find_template(name, paths)
    if template.bundled:
        raise InvalidInput(
            f"{name} is bundled with localai: only a template of your own can be removed",
            command="localai template list",
        )
    if not yes:
        output.confirm(
            f"Remove {template.file}?",
            unasked=InvalidInput(
                f"removing {template.file} has to be confirmed",
                command=("localai", "template", "rm", "--yes", name),
            ),
            declined="nothing was removed",
        )
    template.file.unlink(missing_ok=True)
    if output.as_json:
        from localai.output.documents.template import rm_document

        output.document(rm_document(template))
    output.note(f"removed {name}{'; the bundled one holds again' if _is_bundled(name) else ''}")


def _is_bundled(name: str) -> bool:
    return any(file.stem == name for file in BUNDLED.iterdir())


def _edited(text: str) -> str:
    from localai.session.editor import edit_text

    return edit_text(text) + "\n"


def _write(file: Path, text: str) -> None:
    """Write the text even if it is invalid, and then say what is wrong with it."""
    if file.parent == user_folder(locate()):
        private_dir(file.parent)
    try:
        write_atomically(file, text.encode())
    except OSError as error:
        raise cannot_write(file, error) from error
    parse_template(text, file)

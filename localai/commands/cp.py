"""`localai cp`: a second name for a model."""

from __future__ import annotations

from typing import Annotated

import typer

from localai.commands.common_options import Json, Quiet
from localai.commands.settings import load_settings
from localai.library.copy import copy_model
from localai.output.output import Output
from localai.output.store_names import STORE_NAMES

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def cp(
    source: Annotated[str, typer.Argument(help="A name of `localai list`.")],
    name: Annotated[str, typer.Argument(help="The second name.")],
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Give a model a second name without a second copy of its bytes.

    Ollama's models get the name in Ollama, as `ollama cp` does it. Other models get it in localai's
    own store.
    """
    output = Output("cp", as_json=as_json, quiet=quiet)
    paths, _ = load_settings("cp")
    given = copy_model(source, name, paths)
    from localai.output.documents.cp import cp_document

    output.document(cp_document(given))
    output.note(f"{given.name} is {given.source} ({STORE_NAMES[given.store]}, by a {given.how})")

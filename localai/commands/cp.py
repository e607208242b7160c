"""`localai cp`: a second name for a model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from localai.commands.startup import begin
from localai.library.copy import give_second_name
from localai.output.model_table import STORE_NAMES
from localai.output.streams import note, print_json

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def cp(
    source: Annotated[str, typer.Argument(help="A name of `localai list`.")],
    name: Annotated[str, typer.Argument(help="What it shall be called too.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Give a model a second name without a second copy of its bytes.

    A model of Ollama's gets it in Ollama, as `ollama cp` does it; any other in our own store.
    """
    paths, _ = begin("cp")
    given = give_second_name(source, name, paths)
    if as_json:
        document = asdict(given)
        document["model"] = document.pop("name")
        print_json("cp", {**document, "path": str(given.path)})
    else:
        note(f"{given.name} is {given.source} ({STORE_NAMES[given.store]}, by a {given.how})")

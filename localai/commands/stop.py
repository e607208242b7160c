"""`localai stop`: unload a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from localai.commands.options import Json
from localai.engine.lifecycle import stop as stop_worker
from localai.engine.lifecycle import workers
from localai.engine.worker_files import WorkerInfo
from localai.errors import InvalidInput, NotFound
from localai.output.output import Output
from localai.paths import locate

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def stop(
    model: Annotated[
        str | None, typer.Argument(help="The model as `localai ps` names it, its path or its pid.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every model in memory.")] = False,
    as_json: Json = False,
) -> None:
    """Unload a model: its worker ends, whatever it is doing."""
    if (model is None) != everything:
        raise InvalidInput("name a model, or give --all", command="localai stop --all")
    output = Output("stop", as_json=as_json)
    found = workers(locate())
    chosen = [pair for pair in found if model is None or _is(pair[1], model)]
    if model is not None and not chosen:
        raise NotFound(f"no model {model!r} is in memory", command="localai ps")
    for files, info in chosen:
        stop_worker(files, info)
    names = [Path(info.spec.model_path).name for _, info in chosen]
    if output.as_json:
        from localai.output.documents.stop import stop_document

        output.document(stop_document(names))
    output.note(f"stopped {', '.join(names)}" if names else "no model was in memory")


def _is(info: WorkerInfo, name: str) -> bool:
    path = Path(info.spec.model_path)
    if name == "starter":
        from localai.stores.starter import STARTER

        name = STARTER.file_name
    return name in (str(path), path.name, path.stem, str(info.pid)) or (
        Path(name).exists() and Path(name).samefile(path)
    )

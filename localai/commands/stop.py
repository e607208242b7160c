"""`localai stop`: unload a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from localai.commands.common_options import Json, Quiet
from localai.engine.lifecycle import stop as stop_worker
from localai.engine.lifecycle import workers
from localai.engine.worker_files import WorkerInfo
from localai.errors import InvalidInput, NotFound
from localai.output.output import Output
from localai.paths import locate
from localai.stores.lookup import name_of_file

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def stop(
    model: Annotated[
        str | None, typer.Argument(help="The model as `localai ps` names it, its path or its pid.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Unload every model in memory.")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Unload a model. Its worker ends, whatever it is doing."""
    if (model is None) != everything:
        raise InvalidInput("name a model, or give --all", command="localai stop --all")
    output = Output("stop", as_json=as_json, quiet=quiet)
    paths = locate()
    names = []
    for files, info in workers(paths):
        name = name_of_file(Path(info.spec.model_path), paths)
        if model is None or _is(info, name, model):
            stop_worker(files, info)
            names.append(name)
    if model is not None and not names:
        raise NotFound(f"no model {model!r} is in memory", command="localai ps")
    if output.as_json:
        from localai.output.documents.stop import stop_document

        output.document(stop_document(names))
    output.note(f"stopped {', '.join(names)}" if names else "no model was in memory")


def _is(info: WorkerInfo, name: str, given: str) -> bool:
    """Whether the worker, whose model is called `name`, is the one that the user means by
    `given`."""
    path = Path(info.spec.model_path)
    return given in (name, str(path), path.name, path.stem, str(info.pid)) or (
        Path(given).exists() and Path(given).samefile(path)
    )

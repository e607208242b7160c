"""`localai ps`: the models in memory."""

from __future__ import annotations

import typer

from localai.commands.common_options import Json
from localai.engine.lifecycle import workers
from localai.output.documents.ps import WorkerDocument, ps_document
from localai.output.output import Output
from localai.output.table import Column
from localai.paths import locate
from localai.stores.lookup import name_of_file
from localai.units import memory_text, seconds_text

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_COLUMNS = (
    Column("model"),
    Column("pid", right=True),
    Column("memory", right=True),
    Column("context", drop=2, right=True),
    Column("idle", drop=1, right=True),
    Column("unloads in", drop=3, right=True),
    Column("network", drop=4),
)


@app.command()
def ps(as_json: Json = False) -> None:
    """List the models that localai's own engines have in memory: size, context, idle time."""
    output = Output("ps", as_json=as_json)
    paths = locate()
    document = ps_document(workers(paths), lambda path: name_of_file(path, paths))
    output.document(document)
    if document["workers"]:
        with output.paged():
            output.table(_COLUMNS, [_row(worker) for worker in document["workers"]])
    else:
        output.note("no model is in memory")


def _row(worker: WorkerDocument) -> list[str]:
    left = worker["unloads_in_s"]
    return [
        worker["model"],
        str(worker["pid"]),
        memory_text(worker["memory_bytes"], worker["card_memory_bytes"]),
        f"{worker['context_tokens']:,}",
        "loading" if worker["loading"] else seconds_text(worker["idle_s"]),
        "never" if left is None else seconds_text(left),
        "denied by the kernel" if worker["network_denied"] else "not denied",
    ]

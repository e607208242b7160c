"""`localai ps`: the models in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from localai.commands.options import Json
from localai.engine.lifecycle import workers
from localai.engine.worker_files import WorkerFiles, WorkerInfo
from localai.output.output import Output
from localai.output.table import Column
from localai.output.units import bytes_text, seconds_text
from localai.paths import locate

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
    """The models that the embedded engine holds: memory, context, idle time."""
    output = Output("ps", as_json=as_json)
    found = [_document(files, info) for files, info in workers(locate())]
    output.document({"workers": found})
    if found:
        output.table(_COLUMNS, [_row(worker) for worker in found])
    else:
        output.note("no model is in memory")


def _document(files: WorkerFiles, info: WorkerInfo) -> dict[str, Any]:
    idle = files.idle_s()
    keep = files.keep_alive_s()
    return {
        "model": Path(info.spec.model_path).name,
        "path": info.spec.model_path,
        "engine": info.engine,
        "pid": info.pid,
        "memory_bytes": _resident_bytes(info.pid),
        "context_tokens": info.context_tokens,
        "slots": info.spec.slots,
        "started_at": info.started_at,
        "idle_s": idle,
        "unloads_in_s": None if keep == float("inf") else max(0.0, keep - idle),
        "network_denied": info.network_denied,
        "denial": info.denial,
    }


def _row(worker: dict[str, Any]) -> list[str]:
    left = worker["unloads_in_s"]
    return [
        worker["model"],
        str(worker["pid"]),
        bytes_text(worker["memory_bytes"]),
        f"{worker['context_tokens']:,}",
        seconds_text(worker["idle_s"]),
        "never" if left is None else seconds_text(left),
        "denied by the kernel" if worker["network_denied"] else "not denied",
    ]


def _resident_bytes(pid: int) -> int | None:
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None

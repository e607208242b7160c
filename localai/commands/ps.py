"""`localai ps`: the models in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from localai.engine.lifecycle import workers
from localai.engine.worker_files import WorkerFiles, WorkerInfo
from localai.output.streams import note, print_json, print_table
from localai.output.units import bytes_text, seconds_text
from localai.paths import locate

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def ps(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """The models that the embedded engine holds: memory, context, idle time."""
    found = [_document(files, info) for files, info in workers(locate())]
    if as_json:
        print_json("ps", {"workers": found})
    elif not found:
        note("no model is in memory")
    else:
        print_table(
            ["model", "pid", "memory", "context", "idle", "unloads in", "network"],
            [_row(worker) for worker in found],
        )


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

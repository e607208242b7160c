"""The document of `localai ps`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

if TYPE_CHECKING:
    from localai.engine.worker_files import WorkerFiles, WorkerInfo


class WorkerDocument(TypedDict):
    """A worker of llama.cpp or MLX."""

    model: Annotated[str, "the model, as `-m` takes it"]
    path: Annotated[str, "the path of the model's file"]
    engine: Annotated[str, "engine and version"]
    pid: Annotated[int, "the worker's process"]
    memory_bytes: Annotated[
        int | None, "the main memory that the worker takes, with Metal's buffers"
    ]
    card_memory_bytes: Annotated[
        int | None,
        "what the engine said it takes on graphics cards with a memory of their own; null if it"
        " did not say",
    ]
    context_tokens: Annotated[int, "the allocated context in tokens, shared by the slots"]
    slots: Annotated[int, "the number of requests that it computes at a time"]
    loading: Annotated[bool, "whether the worker still loads the model and cannot answer yet"]
    started_at: Annotated[
        float,
        "when it could first answer, in seconds since the epoch; while it loads, when it began",
    ]
    idle_s: Annotated[float, "seconds since the worker was last used"]
    unloads_in_s: Annotated[
        float | None, "seconds until the worker leaves if unused; null if it never does"
    ]
    network_denied: Annotated[bool, "whether the kernel keeps the worker off the network"]
    denial: Annotated[str, "the means of the denial, and how it was tested"]


class Ps(TypedDict):
    """`localai ps --json`"""

    schema: Annotated[Literal["localai.ps/1"], "the name and version of the document"]
    workers: Annotated[list[WorkerDocument], "the workers that are running"]


def ps_document(
    workers: Iterable[tuple[WorkerFiles, WorkerInfo]], name_of_file: Callable[[Path], str]
) -> Ps:
    """The document of `localai ps`. `name_of_file` returns the name that `-m` takes for the model
    in a file."""
    found = [
        _worker(files, info, name_of_file(Path(info.spec.model_path))) for files, info in workers
    ]
    return {"schema": "localai.ps/1", "workers": found}


def _worker(files: WorkerFiles, info: WorkerInfo, model: str) -> WorkerDocument:
    idle_s, keep_alive_s = files.idle_s(), files.keep_alive_s()
    leaves = keep_alive_s != float("inf")
    return {
        "model": model,
        "path": info.spec.model_path,
        "engine": info.engine,
        "pid": info.pid,
        "memory_bytes": _taken_bytes(info),
        "card_memory_bytes": info.card_memory_bytes,
        "context_tokens": info.context_tokens,
        "slots": info.spec.slots,
        "loading": info.is_loading,
        "started_at": info.started_at,
        "idle_s": idle_s,
        "unloads_in_s": max(0.0, keep_alive_s - idle_s) if leaves else None,
        "network_denied": info.network_denied,
        "denial": info.denial,
    }


def _taken_bytes(info: WorkerInfo) -> int | None:
    """What the worker takes, with the llama-server that computes for it where there is one.

    Resident memory, or what the engine itself had said where that is more: on macOS, buffers of
    Metal are not resident memory of a process.
    """
    import psutil

    try:
        worker = psutil.Process(info.pid)
        taking = [worker, *worker.children(recursive=True)]
        resident = sum(int(each.memory_info().rss) for each in taking)
    except psutil.Error:
        return None
    announced = 0 if info.is_loading or sys.platform != "darwin" else info.memory_bytes or 0
    return max(resident, announced)

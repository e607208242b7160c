"""What a worker of llama.cpp does besides computing: it keeps to its limits, and leaves
once it has been idle or its computing process is gone.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from localai.dataclass import dataclass
from localai.engine.llamacpp.kv_files import state_folder
from localai.engine.llamacpp.limits import Idleness, memory_of
from localai.engine.worker_files import WorkerFiles, WorkerSpec
from localai.errors import InvalidInput
from localai.locks import try_lock
from localai.units import bytes_text

_LOOK_EVERY_S = 0.25
# A worker that was started with `keep_alive 0` must survive until its first user has come.
_LEAST_IDLE_S = 1.0
_LOG_LIMIT_BYTES = 8_000_000


def _always() -> bool:
    return True


def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True)
class Computer:
    """The process that computes for a worker: its pid, its CPU time in seconds, whether it lives,
    and how to end it. By default it is the worker's own process."""

    pid: int
    cpu_s: Callable[[], float] = time.process_time
    is_there: Callable[[], bool] = _always
    end: Callable[[], None] = _nothing


def kv_folder(engine: str, spec: WorkerSpec) -> str | None:
    """The folder of this worker's KV states. None if none are kept. None for a model with a
    projector, whose states llama.cpp cannot save, or with an adapter: its base's states are of
    another model."""
    others = (spec.projector_path, spec.adapter_path)
    if spec.kv_dir is None or others != (None, None):
        return None
    try:
        folder = state_folder(
            Path(spec.kv_dir),
            Path(spec.model_path),
            engine=engine,
            gpu_layers=spec.gpu_layers,
            context_tokens=spec.context_tokens,
            kv_type=spec.kv_type,
            flash_attention=spec.flash_attention,
            chat_template=spec.chat_template,
            draft=spec.draft,
        )
    except (OSError, InvalidInput):
        return None
    return str(folder)


def serve_until_idle(files: WorkerFiles, most: int | None, computer: Computer) -> NoReturn:
    """Watch `computer`, which may take `most` bytes of main memory, until it is idle, ended, or
    over its limits."""
    idleness = Idleness(computer.cpu_s)
    while True:
        time.sleep(_LOOK_EVERY_S)
        # The log is opened for appending, so it continues at its new end.
        if os.fstat(2).st_size > _LOG_LIMIT_BYTES:
            os.ftruncate(2, 0)
        if not computer.is_there():
            leave(files, computer)
        if most is not None and (memory_of(computer.pid) or 0) > most:
            end(files, computer, f"the worker took more memory than {bytes_text(most)}")
        try:
            # Every user shares the lease. If the worker gets it alone, nobody is using the worker.
            lease = try_lock(files.lease)
        except FileNotFoundError:
            leave(files, computer)
        if idleness.computes_for_nobody(somebody_is_here=lease is None):
            end(files, computer, "the worker computed on although nobody waited")
        if lease is None:
            continue
        if files.idle_s() > max(files.keep_alive_s(), _LEAST_IDLE_S):
            leave(files, computer)
        os.close(lease)


def end(files: WorkerFiles, computer: Computer, why: str) -> NoReturn:
    """Leave, with `why` in the log: a command that is waiting for an answer reads the reason
    there."""
    print(why, file=sys.stderr, flush=True)  # noqa: T201
    leave(files, computer)


def leave(files: WorkerFiles, computer: Computer) -> NoReturn:
    """End the computing process, and this one."""
    with contextlib.suppress(OSError):
        files.remove_traces()
    computer.end()
    # Not sys.exit: the server's destructor waits for requests whose answers nobody reads any more.
    os._exit(0)

"""Find the worker of a model, have it started or replaced by a larger one, list and stop workers.

Two commands that want the same model at once share one worker: the first starts it under a
lock, the second waits for that. A dead worker, a stale socket and a worker that is just leaving
are all met by looking again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeGuard

from localai.dataclass import dataclass
from localai.engine.exits import KILLED
from localai.engine.llamacpp.log import context_memory, crash_reason
from localai.engine.worker_files import (
    EngineKind,
    LockedByStopped,
    WorkerFiles,
    WorkerInfo,
    WorkerSpec,
    all_files,
    files_for,
    locked,
    model_identity,
)
from localai.errors import Unreachable
from localai.locks import is_locked
from localai.paths import Paths
from localai.privacy.policy import is_air_gapped

# How many workers a model may have: each stopped command (Ctrl-Z) can block one.
_MOST_WORKERS = 8
# How long a worker may take to leave. MLX's writes its conversations to the disk first; llama.cpp's
# has done so after each answer.
_PATIENCE_S: dict[EngineKind, float] = {"llamacpp": 2.0, "mlx": 20.0}


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to use a worker: as long as a lease is held, the worker stays.

    `stopped_owner` is the pid of a stopped command that blocks the model's first worker; None if
    none does.
    """

    info: WorkerInfo
    files: WorkerFiles
    stopped_owner: int | None = None

    def last_words(self) -> str:
        """The last words of the worker if it has ended, else that it is there and does not
        answer."""
        if is_locked(self.files.alive):
            return "it is there, and closed the connection or does not answer"
        return crash_reason(self.files.log_tail()) or KILLED

    def context_bytes(self) -> int | None:
        """The memory that the engine projected for the whole context, on all devices; None if
        unknown."""
        return context_memory(self.files.log_tail())


def is_warm(paths: Paths, spec: WorkerSpec) -> bool:
    """Whether `acquire` would find a worker instead of having to load the model first."""
    return _serves(files_for(paths, spec.kind, spec.model_path).read_info(), spec)


def _serves(info: WorkerInfo | None, spec: WorkerSpec) -> TypeGuard[WorkerInfo]:
    return (
        info is not None
        and not info.is_loading
        # With --airgap a worker that has network access is not usable.
        and (info.network_denied or not is_air_gapped())
        and info.context_tokens >= spec.context_tokens
        and info.spec.slots >= spec.slots
        and info.spec.binary == spec.binary
        and info.spec.engine_settings == spec.engine_settings
        and _has_same_model(info, spec)
    )


def _has_same_model(info: WorkerInfo, spec: WorkerSpec) -> bool:
    """Whether the files that the worker loaded are still those that `spec` names."""
    try:
        return info.model_identity == model_identity(spec)
    except OSError:
        return False


@contextmanager
def acquire(
    paths: Paths,
    spec: WorkerSpec,
    *,
    keep_alive_s: float,
    available_bytes: Callable[[], int | None],
    force: bool = False,
    interpreter: str | None = None,
) -> Iterator[Lease]:
    """Use the worker of `spec.model_path`, with at least the context and the slots of `spec`.

    `available_bytes` is called only if a worker must be started; `force` skips the check of memory.
    `interpreter` is the Python that runs the worker, this one by default. If a stopped command
    blocks the model's worker, another one is used. Raises InsufficientResources (with the numbers),
    Unreachable (the engine failed, with its last words).
    """
    available = None if force else available_bytes
    stopped = None
    with contextlib.ExitStack() as stack:
        for number in range(_MOST_WORKERS):
            files = files_for(paths, spec.kind, spec.model_path, number)
            try:
                lease = stack.enter_context(
                    _acquire_in(files, spec, keep_alive_s, available, interpreter)
                )
            except LockedByStopped as held:
                stopped = held.pid
                continue
            yield replace(lease, stopped_owner=stopped)
            return
    raise Unreachable(
        f"the command with process {stopped}, which is stopped, holds {spec.model_path}",
        hint="let it go on (fg in its terminal) or end it",
    )


@contextmanager
def _acquire_in(
    files: WorkerFiles,
    spec: WorkerSpec,
    keep_alive_s: float,
    available_bytes: Callable[[], int | None] | None,
    interpreter: str | None,
) -> Iterator[Lease]:
    for _ in range(5):
        with locked(files.start, shared=True):
            # A command that wants to replace the worker holds this lock while it waits for the
            # users. Without that, a stream of new users (a batch) would make it wait for ever.
            pass
        with locked(files.lease, shared=True) as lease:
            info = files.read_info()
            if _serves(info, spec):
                _touch(files, lease, keep_alive_s)
                try:
                    yield Lease(info, files)
                finally:
                    _touch(files, lease, keep_alive_s)
                return
        with locked(files.start):
            _ensure_started(files, spec, keep_alive_s, available_bytes, interpreter)
    raise Unreachable(
        "the engine's worker leaves as soon as it has started",
        hint=f"read its log: {files.log}",
    )


def _ensure_started(
    files: WorkerFiles,
    spec: WorkerSpec,
    keep_alive_s: float,
    available_bytes: Callable[[], int | None] | None,
    interpreter: str | None,
) -> None:
    """Leave a worker behind that satisfies `spec`. The caller holds the start lock."""
    from localai.engine.starting import start

    if _serves(files.read_info(), spec):
        return
    # A worker is replaced only when nobody is using it.
    with locked(files.lease) as lease:
        info = files.read_info()
        if info is not None:
            # A worker that is still loading here was orphaned and will end.
            stop(files, info)
            # Keep the old size too: its users will return, and two commands must not replace each
            # other's worker again and again.
            spec = spec if info.is_loading else _at_least(spec, info.spec)
        start(files, spec, available_bytes, interpreter)
        _touch(files, lease, keep_alive_s)


def _at_least(spec: WorkerSpec, before: WorkerSpec) -> WorkerSpec:
    return replace(
        spec,
        context_tokens=max(spec.context_tokens, before.context_tokens),
        slots=max(spec.slots, before.slots),
    )


def workers(paths: Paths) -> list[tuple[WorkerFiles, WorkerInfo]]:
    """Every worker that lives, also one that is loading."""
    found = ((files, files.read_info()) for files in all_files(paths))
    return [(files, info) for files, info in found if info is not None]


def stop(files: WorkerFiles, info: WorkerInfo) -> None:
    """End a worker, whatever it is doing, and wait until it is gone."""
    # The alive lock proves that the process is still our worker: the pid may be another program's
    # by now.
    patience = ((signal.SIGTERM, _PATIENCE_S[info.spec.kind]), (signal.SIGKILL, 10.0))
    for number, patience_s in patience:
        if not is_locked(files.alive):
            break
        with contextlib.suppress(ProcessLookupError):
            os.kill(info.pid, number)
        deadline = time.monotonic() + patience_s
        while is_locked(files.alive) and time.monotonic() < deadline:
            time.sleep(0.005)
    files.remove_traces()


def _touch(files: WorkerFiles, lease: int, keep_alive_s: float) -> None:
    os.ftruncate(lease, 0)
    os.pwrite(lease, str(keep_alive_s).encode(), 0)

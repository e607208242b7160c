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
from localai.engine.llamacpp.log import KILLED, context_memory, crash_reason
from localai.engine.worker_files import (
    EngineKind,
    HeldByStopped,
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

# As many commands of one model may be stopped, each with a worker of its own.
_MOST_PLACES = 8
# MLX's worker writes its conversations to the disk before it leaves, llama.cpp's does so after
# each answer.
_PATIENCE_S: dict[EngineKind, float] = {"llamacpp": 2.0, "mlx": 20.0}


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to use a worker: while it is held, the worker stays.

    `stopped_holder` is the command, stopped by Ctrl-Z, that holds the model's other worker.
    """

    info: WorkerInfo
    files: WorkerFiles
    stopped_holder: int | None = None

    def last_words(self) -> str:
        """Why the worker broke off: what it said at its end, if it has ended."""
        if is_locked(self.files.alive):
            return "it is there, and closed the connection or does not answer"
        return crash_reason(self.files.log_tail()) or KILLED

    def context_bytes(self) -> int | None:
        """What the engine projected for the whole context, on all devices; None if unknown."""
        return context_memory(self.files.log_tail())


def is_warm(paths: Paths, spec: WorkerSpec) -> bool:
    """Whether `acquire` would find a worker instead of having to load the model first."""
    return _serves(files_for(paths, spec.kind, spec.model_path).read_info(), spec)


def _serves(info: WorkerInfo | None, spec: WorkerSpec) -> TypeGuard[WorkerInfo]:
    return (
        info is not None
        and not info.is_loading
        # Under an air gap a worker that began where the kernel denies nothing is no help.
        and (info.network_denied or not is_air_gapped())
        and info.context_tokens >= spec.context_tokens
        and info.spec.slots >= spec.slots
        and info.spec.binary == spec.binary
        and info.spec.manner == spec.manner
        and _has_same_model(info, spec)
    )


def _has_same_model(info: WorkerInfo, spec: WorkerSpec) -> bool:
    """Whether the worker loaded the files that now lie where `spec` says."""
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

    `available_bytes` is asked only when a worker must be started; `force` skips the check.
    `interpreter` is the Python that runs the worker, this one by default.
    A worker whose lock a stopped command holds is left to that command, and another one is used.
    Raises InsufficientResources (with the numbers), Unreachable (the engine failed, with its
    last words).
    """
    available = None if force else available_bytes
    stopped = None
    with contextlib.ExitStack() as stack:
        for place in range(_MOST_PLACES):
            files = files_for(paths, spec.kind, spec.model_path, place)
            try:
                lease = stack.enter_context(
                    _acquire_in(files, spec, keep_alive_s, available, interpreter)
                )
            except HeldByStopped as held:
                stopped = held.pid
                continue
            yield replace(lease, stopped_holder=stopped)
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
            # Whoever waits for the others to leave, to start a larger worker, holds this: without
            # it a stream of new users (a batch) would keep them waiting for ever.
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
    """With the start lock held: leave a worker behind that satisfies `spec`."""
    from localai.engine.starting import start

    if _serves(files.read_info(), spec):
        return
    # Replacing a worker waits until nobody is using it.
    with locked(files.lease) as lease:
        info = files.read_info()
        if info is not None:
            # One that is loading has lost the command that started it, and is about to end.
            stop(files, info)
            # Those who use it now come back: two commands must not replace each other's for ever.
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
    """Every worker that lives, also while it loads."""
    found = ((files, files.read_info()) for files in all_files(paths))
    return [(files, info) for files, info in found if info is not None]


def stop(files: WorkerFiles, info: WorkerInfo) -> None:
    """End a worker, whatever it is doing, and wait until it is gone."""
    # The alive lock proves that the process is still our worker and not a stranger with its number.
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

"""Find the worker of a model, start it, replace it by a larger one, list and stop workers.

Two commands that want the same model at once share one worker: the first starts it under a
lock, the second waits for that. A dead worker, a stale socket and a worker that is just leaving
are all met by looking again. Starting raises InsufficientResources before a model that does not
fit is loaded, by what the engine itself projects.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeGuard

from localai.dataclass import dataclass
from localai.engine.llamacpp.limits import (
    is_at_template,
    memory_of,
    most_bytes,
)
from localai.engine.llamacpp.log import (
    DeviceShare,
    context_memory,
    crash_reason,
    failure_reason,
    host_memory,
)
from localai.engine.template_limit import LONGEST_TEMPLATE_S
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
    spec_to_json,
)
from localai.errors import InsufficientResources, Unreachable
from localai.files import write_atomically
from localai.locks import is_locked
from localai.paths import Paths, private_dir
from localai.privacy.environment import child_environment
from localai.privacy.guard import child
from localai.privacy.policy import is_air_gapped
from localai.privacy.sandbox import sandboxed_command
from localai.units import bytes_text

_MODULES: dict[EngineKind, str] = {
    "llamacpp": "localai.engine.llamacpp.worker",
    "mlx": "localai.engine.mlx.worker",
}
_BINARY_WORKER = "localai.engine.llamacpp.binary_worker"
_START_TIMEOUT_S = 600.0
# As many commands of one model may be stopped, each with a worker of its own.
_MOST_PLACES = 8
_KILLED = "it was killed (out of memory?)"
_LOG_LIMIT_BYTES = 4_000_000
_LOOK_EVERY_S = 0.1
_LEAST_ROOM_BYTES = 64 << 10
_DISTRUST = "its chat template is a program that the engine runs: get the model from its maker"
# MLX's worker writes its conversations to the disk before it leaves, llama.cpp's does so after
# each answer.
_PATIENCE_S: dict[EngineKind, float] = {"llamacpp": 2.0, "mlx": 20.0}
# How often a thread of the engine looks whether the others are done before it sleeps. With
# OpenMP's own 300,000, threads that wait for one another keep it from running: beside one busy
# process, two cores gave 1 token a second instead of 150. This gives 20 to 60 there, and costs
# 1 to 4% where nobody else computes (benchmarks/engine.py).
_SPINS = 2000


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
        return crash_reason(_tail(self.files)) or _KILLED

    def context_bytes(self) -> int | None:
        """What the engine projected for the whole context, on all devices; None if unknown."""
        return context_memory(_tail(self.files))


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
        _start(files, spec, available_bytes, interpreter)
        _touch(files, lease, keep_alive_s)


def _at_least(spec: WorkerSpec, before: WorkerSpec) -> WorkerSpec:
    return replace(
        spec,
        context_tokens=max(spec.context_tokens, before.context_tokens),
        slots=max(spec.slots, before.slots),
    )


def _start(
    files: WorkerFiles,
    spec: WorkerSpec,
    available_bytes: Callable[[], int | None] | None,
    interpreter: str | None,
) -> None:
    files.remove_traces()
    write_atomically(files.spec, spec_to_json(spec))
    private_dir(files.log.parent)
    log = os.open(files.log, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    # -P: a folder called `localai` in the user's current one must not run as our worker.
    module = _MODULES[spec.kind] if spec.binary is None else _BINARY_WORKER
    command = [interpreter or sys.executable, "-P", "-m", module, str(files.directory)]
    try:
        with child("the embedded engine's worker"):
            process = subprocess.Popen(
                sandboxed_command(command),
                # Its end tells the worker that this command has ended (engine/parent.py).
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=_worker_environment(),
                start_new_session=True,
            )
    finally:
        os.close(log)
    assert process.stdin is not None
    try:
        _wait_until_ready(files, spec, process, available_bytes)
    except BaseException:
        process.kill()
        process.wait()
        files.remove_traces()
        raise
    finally:
        process.stdin.close()


def _worker_environment() -> dict[str, str]:
    environment = child_environment("engine")
    # The package must be found even when localai runs from a source tree.
    root = str(Path(__file__).parents[2])
    inherited = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, inherited)))
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", str(_SPINS))
    return environment


def _wait_until_ready(
    files: WorkerFiles,
    spec: WorkerSpec,
    process: subprocess.Popen[bytes],
    available_bytes: Callable[[], int | None] | None,
) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    limits = _LoadingLimits(files, spec, process.pid)
    need = None
    while (info := files.read_info()) is None or info.is_loading:
        if need is None and (need := host_memory(_tail(files))) is not None:
            if available_bytes is not None:
                _check_memory(spec, need, available_bytes())
            limits.most = most_bytes(need, spec.projector_path)
        limits.check()
        if process.poll() is not None:
            if _is_full(files.directory) or _is_full(files.log.parent):
                raise InsufficientResources(
                    f"the disk of {files.directory} is full, so the engine could not start",
                    hint="make room",
                    command=("df", "-h", files.directory),
                )
            raise Unreachable(
                f"the engine could not load {spec.model_path}: {_reason(process, _tail(files))}",
                hint=f"its whole log: {files.log}",
                check="localai",
            )
        if time.monotonic() > deadline:
            raise Unreachable(
                f"the engine has not loaded {spec.model_path} in {_START_TIMEOUT_S:.0f} s",
                hint=f"its log: {files.log}",
            )
        # A small model is there in half a second; a large one is not kept waiting by this.
        time.sleep(0.01 if deadline - time.monotonic() > _START_TIMEOUT_S - 2 else 0.05)


def _is_full(folder: Path) -> bool:
    """Whether the disk of `folder` has no room for a worker's files: it cannot log that."""
    with contextlib.suppress(OSError):
        disk = os.statvfs(folder)
        no_more_files = disk.f_files > 0 and disk.f_favail == 0
        return no_more_files or disk.f_bavail * disk.f_frsize < _LEAST_ROOM_BYTES
    return False


class _LoadingLimits:
    """What the file of a model may make the engine do while it loads (engine/llamacpp/limits.py).

    `most` is the memory that it may take, in bytes; None as long as the engine has not said.
    """

    def __init__(self, files: WorkerFiles, spec: WorkerSpec, pid: int) -> None:
        self._files = files
        self._spec = spec
        self._pid = pid
        self._next_look = 0.0
        self._template_since: float | None = None
        self.most: int | None = None

    def check(self) -> None:
        """Raise InsufficientResources or Unreachable where too much was taken of either. Looks a
        few times a second, however often it is called."""
        now = time.monotonic()
        if self._spec.kind != "llamacpp" or now < self._next_look:
            return
        self._next_look = now + _LOOK_EVERY_S
        taken = memory_of(self._pid)
        if self.most is not None and taken is not None and taken > self.most:
            raise InsufficientResources(
                f"{self._spec.model_path} took {bytes_text(taken)} of memory while it was loaded,"
                " far more than the engine had projected",
                hint=_DISTRUST,
            )
        if self._template_since is None:
            self._template_since = now if is_at_template(_tail(self._files)) else None
        elif now - self._template_since > LONGEST_TEMPLATE_S:
            raise Unreachable(
                f"the chat template of {self._spec.model_path} has not come to an end in"
                f" {LONGEST_TEMPLATE_S:.0f} s",
                hint=_DISTRUST,
            )


def _reason(process: subprocess.Popen[bytes], log: str) -> str:
    """Why `process`, which has ended, did: by the signal that ended it, else by its log."""
    if process.returncode == -signal.SIGTERM:
        return "it was stopped"
    if process.returncode == -signal.SIGKILL:
        return _KILLED
    return failure_reason(log)


def _check_memory(spec: WorkerSpec, need: DeviceShare, available: int | None) -> None:
    if available is None or need.total_bytes <= available:
        return
    raise InsufficientResources(
        f"{Path(spec.model_path).name} with a context of {spec.context_tokens:,} tokens"
        f" needs {bytes_text(need.total_bytes)} of memory"
        f" ({bytes_text(need.weights_bytes)} weights + {bytes_text(need.context_bytes)} context"
        f" + {bytes_text(need.compute_bytes)} compute), and {bytes_text(available)} is available",
        hint="a smaller model or --ctx fits better; --force tries anyway",
        check="memory",
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


def _tail(files: WorkerFiles) -> str:
    try:
        with files.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - _LOG_LIMIT_BYTES))
            return log.read().decode(errors="replace")
    except OSError:
        return ""

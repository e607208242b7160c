"""Start a worker: a sandboxed process, within limits of memory and time while it loads.

A model that does not fit is not loaded: InsufficientResources is raised before, by the engine's own
projection.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from localai.engine.environment import engine_environment
from localai.engine.exits import ended_by
from localai.engine.llamacpp.limits import is_at_template, memory_of, most_bytes
from localai.engine.llamacpp.log import DeviceShare, failure_reason, host_memory, template_reason
from localai.engine.template_limit import LONGEST_TEMPLATE_S
from localai.engine.worker_files import EngineKind, WorkerFiles, WorkerSpec, spec_to_json
from localai.errors import InsufficientResources, TemplateFault, Unreachable
from localai.files import write_atomically
from localai.paths import private_dir
from localai.privacy.guard import child
from localai.privacy.sandbox import sandboxed_command
from localai.units import bytes_text

_MODULES: dict[EngineKind, str] = {
    "llamacpp": "localai.engine.llamacpp.worker",
    "mlx": "localai.engine.mlx.worker",
}
_BINARY_WORKER = "localai.engine.llamacpp.binary_worker"
_START_TIMEOUT_S = 600.0
_LOOK_EVERY_S = 0.1
_LEAST_ROOM_BYTES = 64 << 10
_TEMPLATE_HINT = (
    "its chat template is a program that the engine runs: get the model from its maker, or give a"
    " template of your own (--chat-template FILE)"
)
_OWN_TEMPLATE_HINT = (
    "the chat template that was given is a program that the engine runs: mend it, or ask without it"
)


def start(
    files: WorkerFiles,
    spec: WorkerSpec,
    available_bytes: Callable[[], int | None] | None,
    interpreter: str | None,
) -> None:
    """Start the worker of `spec` in `files`, and wait until it is ready.

    `available_bytes` returns the free memory; None skips the check. `interpreter` is the Python
    that runs the worker, this one by default. The caller holds the start lock and the lease. Raises
    InsufficientResources (with the numbers), Unreachable (the engine failed, with its last words).
    """
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
                # When this pipe closes, the worker knows that this command has ended
                # (engine/parent.py).
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=engine_environment(),
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
        if need is None and (need := host_memory(files.log_tail())) is not None:
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
                    check="disk-full",
                )
            if spec.kind == "llamacpp" and (why := template_reason(files.log_tail())) is not None:
                raise TemplateFault(
                    f"the chat template of {spec.model_path} is broken: {why}", why=why
                )
            raise Unreachable(
                f"the engine could not load {spec.model_path}:"
                f" {_reason(process, files.log_tail())}",
                hint=f"its whole log: {files.log}"
                if spec.chat_template is None
                else f"{_OWN_TEMPLATE_HINT}; the engine's whole log: {files.log}",
                check="localai",
            )
        if time.monotonic() > deadline:
            raise Unreachable(
                f"the engine has not loaded {spec.model_path} in {_START_TIMEOUT_S:.0f} s",
                hint=f"its log: {files.log}",
                check="memory",
            )
        # A small model is loaded within half a second; the longer pauses do not delay a large one
        # noticeably.
        time.sleep(0.01 if deadline - time.monotonic() > _START_TIMEOUT_S - 2 else 0.05)


def limits_hint(spec: WorkerSpec) -> str:
    """What to do about a chat template that takes too much memory or time."""
    return _TEMPLATE_HINT if spec.chat_template is None else _OWN_TEMPLATE_HINT


def _is_full(folder: Path) -> bool:
    """Whether the disk of `folder` has no room for a worker's files. The worker itself could not
    log that."""
    with contextlib.suppress(OSError):
        disk = os.statvfs(folder)
        no_more_files = disk.f_files > 0 and disk.f_favail == 0
        return no_more_files or disk.f_bavail * disk.f_frsize < _LEAST_ROOM_BYTES
    return False


class _LoadingLimits:
    """The limits of a worker while it loads (engine/llamacpp/limits.py).

    `most` is the memory that it may take, in bytes; None until the engine has printed its
    projection.
    """

    def __init__(self, files: WorkerFiles, spec: WorkerSpec, pid: int) -> None:
        self._files = files
        self._spec = spec
        self._pid = pid
        self._next_look = 0.0
        self._template_since: float | None = None
        self.most: int | None = None

    def check(self) -> None:
        """Raise InsufficientResources or Unreachable if the worker exceeds its memory or its time
        for the template. Checks a few times a second, however often it is called."""
        now = time.monotonic()
        if self._spec.kind != "llamacpp" or now < self._next_look:
            return
        self._next_look = now + _LOOK_EVERY_S
        taken = memory_of(self._pid)
        if self.most is not None and taken is not None and taken > self.most:
            raise InsufficientResources(
                f"{self._spec.model_path} took {bytes_text(taken)} of memory while it was loaded,"
                " far more than the engine had projected",
                hint=limits_hint(self._spec),
            )
        if self._template_since is None:
            self._template_since = now if is_at_template(self._files.log_tail()) else None
        elif now - self._template_since > LONGEST_TEMPLATE_S:
            raise Unreachable(
                f"the chat template of {self._spec.model_path} has not come to an end in"
                f" {LONGEST_TEMPLATE_S:.0f} s",
                hint=limits_hint(self._spec),
            )


def _reason(process: subprocess.Popen[bytes], log: str) -> str:
    """Why `process` has ended: the signal that ended it, else the reason in its log."""
    if process.returncode == -signal.SIGTERM:
        return "it was stopped"
    return ended_by(process.returncode) or failure_reason(log)


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

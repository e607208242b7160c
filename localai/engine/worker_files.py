"""The folder through which commands and a worker find each other: its files and its locks.

    RUNTIME_DIR/<16 hex>/
        spec.json      what to load, written by the command
        worker.json    what it is, written by the worker as soon as it begins to load
        engine.sock    where it answers
        start.lock     held by the command that starts or replaces the worker
        lease.lock     shared by every command that uses the worker; its mtime is the last use
        alive.lock     held by the worker until it dies

The kernel drops a lock when its process ends, so no lock can go stale and no process id has to be
trusted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final, Literal

from localai.dataclass import dataclass
from localai.errors import Unreachable
from localai.files import content_key, write_atomically
from localai.locks import is_locked, lock, stopped_owners
from localai.paths import Paths, can_be_written, is_private, private_dir
from localai.patterns import lazy_pattern

EngineKind = Literal["llamacpp", "mlx"]
KvType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]
FlashAttention = Literal["auto", "on", "off"]
Draft = Literal["off", "lookup", "mtp"]

# Wait this long for a lock before checking, which is slow, whether its owner is stopped.
_PATIENCE_WITH_STOPPED_S: Final = 2.0
_LOG_LIMIT_BYTES: Final = 4_000_000
_PART_OF_MODEL: Final = lazy_pattern(r"(?P<name>.+)-\d{5}-of-(?P<count>\d{5})\.gguf")


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What to load and how. `context_tokens` and `slots` are minimums.

    `kv_dir` is where the KV states of conversations are kept; None keeps none. `binary` is the
    user's llama-server that computes; None is the bundled engine. `cache_dir` is the folder in
    which a binary's version and options, and what a load was projected to take, are remembered.
    `chat_template` is used in place of the model's. `adapter_path` is a LoRA that is applied to it.
    `cores` is how many a mask or a quota leaves, None all; a worker is reused whatever they were.
    """

    kind: EngineKind
    model_path: str
    context_tokens: int
    slots: int = 1
    threads: int | None = None
    gpu_layers: int | None = None
    draft: Draft = "off"
    projector_path: str | None = None
    kv_dir: str | None = None
    binary: str | None = None
    cache_dir: str | None = None
    prefill_threads: int | None = None
    kv_type: KvType = "f16"
    flash_attention: FlashAttention = "auto"
    batch: int | None = None
    micro_batch: int | None = None
    warm_up: bool = False
    chat_template: str | None = None
    adapter_path: str | None = None
    cores: int | None = None

    @property
    def engine_settings(self) -> tuple[object, ...]:
        """How the model is computed. A worker with other settings is not reused."""
        return (
            self.threads,
            self.prefill_threads,
            self.gpu_layers,
            self.draft,
            self.kv_type,
            self.flash_attention,
            self.batch,
            self.micro_batch,
            self.warm_up,
            self.chat_template,
            self.adapter_path,
        )


def _known(kind: type[WorkerSpec | WorkerInfo], document: dict[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in document.items() if name in names}


def model_identity(spec: WorkerSpec) -> str:
    """A text that changes when any file of the worker, or its content, changes: a file that was
    replaced under its old name is another model. Raises OSError."""
    model = Path(spec.model_path)
    files = [model]
    if model.is_dir():
        files = sorted(each for each in model.iterdir() if each.is_file())
    elif part := _PART_OF_MODEL.fullmatch(model.name):
        count = int(part["count"])
        names = (f"{part['name']}-{n:05}-of-{count:05}.gguf" for n in range(1, count + 1))
        files = [model.with_name(name) for name in names]
    files += [Path(each) for each in (spec.projector_path, spec.adapter_path) if each is not None]
    described = "\0".join(f"{file.name} {content_key(file)}" for file in files)
    return hashlib.sha256(os.fsencode(described)).hexdigest()


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A living worker, as it describes itself.

    `model_identity` is the result of `model_identity()` before loading. `is_loading` is true until
    the worker can answer. `network_denied` and `denial` say whether and how the kernel keeps it
    from the network. `started_at` is when it could first answer, and while it loads when
    it began, in epoch seconds. `memory_bytes` is what the engine said before
    it loaded that it would take of main memory, and `card_memory_bytes` on graphics cards with a
    memory of their own; None if it did not. `kv_folder` is where it reads
    and writes the KV states of conversations; None if it cannot. New fields need defaults: a
    worker started by the previous version lacks them.
    """

    pid: int
    spec: WorkerSpec
    model_identity: str
    context_tokens: int
    engine: str
    network_denied: bool
    denial: str
    started_at: float
    kv_folder: str | None = None
    is_loading: bool = False
    memory_bytes: int | None = None
    card_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class WorkerFiles:
    """The files of one worker of a model."""

    directory: Path
    log: Path

    @property
    def spec(self) -> Path:
        """What the worker is to load."""
        return self.directory / "spec.json"

    @property
    def info(self) -> Path:
        """What the worker is."""
        return self.directory / "worker.json"

    @property
    def socket(self) -> Path:
        """Where the worker answers."""
        return self.directory / "engine.sock"

    @property
    def lease(self) -> Path:
        """Shared by every command that uses the worker; its content is the keep-alive."""
        return self.directory / "lease.lock"

    @property
    def start(self) -> Path:
        """Held by a command while it starts or replaces the worker."""
        return self.directory / "start.lock"

    @property
    def alive(self) -> Path:
        """Held by the worker as long as it lives."""
        return self.directory / "alive.lock"

    def read_info(self) -> WorkerInfo | None:
        """The living worker of this folder, also one that is loading; None if there is none."""
        try:
            document = json.loads(self.info.read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        if not is_locked(self.alive):
            return None
        # A worker of another version may have more fields, and must stay stoppable.
        spec = WorkerSpec(**_known(WorkerSpec, document.pop("spec")))
        return WorkerInfo(spec=spec, **_known(WorkerInfo, document))

    def write_info(self, info: WorkerInfo) -> None:
        """Write what the worker is, for every command to read."""
        write_atomically(self.info, json.dumps(asdict(info)).encode())

    def keep_alive_s(self) -> float:
        """How long the last user wants the worker to stay when idle, in seconds."""
        try:
            return float(self.lease.read_text() or "0")
        except (OSError, ValueError):
            return 0.0

    def idle_s(self) -> float:
        """Seconds since a command last used the worker.

        A last use in the future means that the clock was set back: it counts as now.
        """
        now = time.time()
        try:
            idle_s = now - self.lease.stat().st_mtime
            if idle_s < 0:
                os.utime(self.lease, (now, now))
        except OSError:
            return float("inf")
        return max(0.0, idle_s)

    def log_tail(self) -> str:
        """The end of the worker's log; empty if there is none."""
        try:
            with self.log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(0, size - _LOG_LIMIT_BYTES))
                return log.read().decode(errors="replace")
        except OSError:
            return ""

    def remove_traces(self) -> None:
        """Remove the files of a dead worker; a stale socket makes the next bind fail."""
        for file in (self.info, self.socket):
            with contextlib.suppress(FileNotFoundError):
                file.unlink()


class LockedByStopped(Exception):
    """The command `pid`, which a signal has stopped (Ctrl-Z), owns a worker's lock."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        self.pid = pid


def files_for(paths: Paths, kind: EngineKind, model_path: str, number: int = 0) -> WorkerFiles:
    """The folder of a worker of this model, which is created; it is this user's alone.

    `number` 0 is the model's first worker. Further folders are used only while a stopped command
    blocks the first.
    """
    subject = f"{kind}\0{os.path.realpath(model_path)}" + (f"\0{number}" if number else "")
    name = hashlib.sha256(subject.encode()).hexdigest()[:16]
    private_dir(paths.runtime_dir, follow=False)
    directory = private_dir(paths.runtime_dir / name, follow=False)
    return WorkerFiles(directory, _log_of(directory, paths))


def _log_of(directory: Path, paths: Paths) -> Path:
    """The log file of the worker in `directory`: in the folder of logs, or beside the socket if the
    home is read-only."""
    if can_be_written(paths.logs_dir):
        return paths.logs_dir / f"{directory.name}.log"
    return directory / "engine.log"


def all_files(paths: Paths) -> list[WorkerFiles]:
    """Every worker folder, whether its worker lives or not. A folder that is not this user's alone
    is left out, because its content cannot be trusted."""
    if not is_private(paths.runtime_dir):
        return []
    return [
        WorkerFiles(folder, _log_of(folder, paths))
        for folder in sorted(paths.runtime_dir.iterdir())
        if is_private(folder)
    ]


@contextmanager
def locked(
    file: Path,
    *,
    shared: bool = False,
    timeout_s: float = 600,
) -> Iterator[int]:
    """Hold a lock on `file`; the value is its descriptor.

    Raises LockedByStopped if a stopped command owns it, and Unreachable after `timeout_s`.
    """
    descriptor, deadline = None, time.monotonic() + timeout_s
    while descriptor is None:
        try:
            descriptor = lock(file, shared=shared, timeout_s=_PATIENCE_WITH_STOPPED_S)
        except TimeoutError as error:
            if stopped := stopped_owners(file):
                raise LockedByStopped(stopped[0]) from error
            if time.monotonic() > deadline:
                raise Unreachable(
                    f"another command has held {file} for {timeout_s:.0f} s",
                    command="localai stop --all",
                ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def spec_to_json(spec: WorkerSpec) -> bytes:
    """The spec in the form that the worker reads."""
    return json.dumps(asdict(spec)).encode()


def spec_from_json(content: bytes) -> WorkerSpec:
    """The spec that `spec_to_json` wrote."""
    document: dict[str, Any] = json.loads(content)
    return WorkerSpec(**document)

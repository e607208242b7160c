"""The embedded engine's process: `python -m localai.engine.llamacpp.worker FOLDER`.

Denies itself the network, loads one model with llama.cpp's own server on a Unix socket, says so
in `worker.json`, and leaves when nobody has used it for a while. It never reads a prompt: the
server inside it answers by itself. Native failures kill this process and nothing else.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from localai.engine.llamacpp.kv_files import state_folder
from localai.engine.llamacpp.limits import CHECKPOINTS, Idleness, memory_of, most_bytes
from localai.engine.llamacpp.log import host_memory
from localai.engine.parent import end_with_parent
from localai.engine.worker_files import (
    WorkerFiles,
    WorkerInfo,
    WorkerSpec,
    model_identity,
    spec_from_json,
)
from localai.errors import InvalidInput
from localai.locks import lock, try_lock
from localai.privacy.sandbox import NetworkDenial, deny_network, keep_memory_private
from localai.units import bytes_text

EXIT_LOAD_FAILED = 3
_LOOK_EVERY_S = 0.25
# A worker that was just started for `keep_alive 0` must survive until its first user has come.
_LEAST_IDLE_S = 1.0
# llama.cpp's host prompt cache may take 8 GiB by default; conversations have their KV on disk.
_PROMPT_CACHE_MIB = 256
# Verbosity 4 logs the memory projection that the launcher reads; 5 would log prompts.
_VERBOSITY = 4
_LOG_LIMIT_BYTES = 8_000_000
_QUIET = 0
_LONGEST_LOG_BYTES = 4_000_000


def main(directory: str) -> None:
    """Serve the model that FOLDER/spec.json names until idle. Exits the process."""
    files = WorkerFiles(Path(directory), Path(os.devnull))
    go_on_alone = end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The engine writes KV states with the permissions that this leaves.
    os.umask(0o077)
    spec = spec_from_json(files.spec.read_bytes())
    # Kept until the process ends.
    lock(files.alive)
    info = _describe(spec, deny_network())
    keep_memory_private()
    # A crash says so in the log, without a word of what was asked.
    faulthandler.enable()
    files.write_info(replace(info, is_loading=True))
    import xllamacpp

    # Bind by a relative name: a Unix socket's path is limited to about 100 bytes.
    os.chdir(files.directory)
    parameters = engine_parameters(xllamacpp, spec, files.socket.name)
    if info.kv_folder is not None:
        parameters.slot_save_path = f"{info.kv_folder}/"
    try:
        server = xllamacpp.Server(parameters)
    except RuntimeError as error:
        print(f"load failed: {error}", file=sys.stderr, flush=True)  # noqa: T201
        os._exit(EXIT_LOAD_FAILED)
    # Not earlier: the engine holds the interpreter's lock while it loads, so a handler would wait.
    signal.signal(signal.SIGTERM, lambda *_: _end(files, "the worker was stopped"))
    go_on_alone()
    projected = host_memory(_own_log())
    _keep_requests_out_of_log(xllamacpp)
    files.write_info(replace(info, started_at=time.time()))
    most = None if projected is None else most_bytes(projected, spec.projector_path)
    _serve_until_idle(files, most)
    del server


def _own_log() -> str:
    """What was logged so far; nothing where it cannot be read."""
    try:
        return os.pread(2, _LONGEST_LOG_BYTES, 0).decode(errors="replace")
    except OSError:
        return ""


def _keep_requests_out_of_log(xllamacpp: Any) -> None:
    """From here on nothing of a request is logged: llama.cpp logs why it refuses one, and a
    template refuses in its own words, with the message in them."""
    import ctypes

    try:
        engine = ctypes.CDLL(xllamacpp.xllamacpp.__file__)
        # common_log_set_verbosity_thold(int), as C++ calls it. ggml's last words do not pass here.
        engine._Z30common_log_set_verbosity_tholdi(_QUIET)
    except (OSError, AttributeError):
        # Another build of the engine: rather no last words than those of a request.
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        os.close(nothing)


def engine_parameters(xllamacpp: Any, spec: WorkerSpec, socket_name: str) -> Any:
    """llama.cpp's parameters for `spec`; `socket_name` is relative to the current folder."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = spec.model_path
    parameters.hostnames = [socket_name]
    parameters.n_ctx = spec.context_tokens
    parameters.n_parallel = spec.slots
    # One pool of cells for all slots: a single request may use the whole context.
    parameters.kv_unified = True
    parameters.cache_ram_mib = _PROMPT_CACHE_MIB
    # llama.cpp's own 32 can be larger than all the rest.
    parameters.n_ctx_checkpoints = CHECKPOINTS
    parameters.fit_params = True
    parameters.warmup = False
    parameters.ui = False
    parameters.offline = True
    parameters.endpoint_slots = True
    parameters.endpoint_metrics = True
    parameters.verbosity = _VERBOSITY
    if spec.threads is not None:
        parameters.cpuparams.n_threads = spec.threads
        parameters.cpuparams_batch.n_threads = spec.threads
    if spec.gpu_layers is not None:
        parameters.n_gpu_layers = spec.gpu_layers
    if spec.projector_path is not None:
        parameters.mmproj.path = spec.projector_path
    if spec.draft:
        kinds = xllamacpp.common_speculative_type
        parameters.speculative.types = [kinds.COMMON_SPECULATIVE_TYPE_NGRAM_MAP_K]
    return parameters


def _describe(spec: WorkerSpec, denial: NetworkDenial) -> WorkerInfo:
    engine = f"xllamacpp {version('xllamacpp')}"
    return WorkerInfo(
        pid=os.getpid(),
        spec=spec,
        model_identity=model_identity(spec),
        context_tokens=spec.context_tokens,
        engine=engine,
        network_denied=denial.enforced,
        denial=denial.evidence,
        started_at=time.time(),
        kv_folder=_kv_folder(engine, spec),
    )


def _kv_folder(engine: str, spec: WorkerSpec) -> str | None:
    """Where this worker's KV states are; None where none are kept, llama.cpp having no states of
    what a projector saw."""
    if spec.kv_dir is None or spec.projector_path is not None:
        return None
    try:
        folder = state_folder(
            Path(spec.kv_dir),
            Path(spec.model_path),
            engine=engine,
            gpu_layers=spec.gpu_layers,
            context_tokens=spec.context_tokens,
        )
    except (OSError, InvalidInput):
        return None
    return str(folder)


def _serve_until_idle(files: WorkerFiles, most: int | None) -> None:
    idleness = Idleness()
    while True:
        time.sleep(_LOOK_EVERY_S)
        # The log is opened for appending, so it simply goes on at its new end.
        if os.fstat(2).st_size > _LOG_LIMIT_BYTES:
            os.ftruncate(2, 0)
        if most is not None and (memory_of(os.getpid()) or 0) > most:
            _end(files, f"the worker took more memory than {bytes_text(most)}")
        try:
            # Every user shares the lease; whoever gets it alone knows that nobody is here.
            lease = try_lock(files.lease)
        except FileNotFoundError:
            _leave(files)
        if idleness.computes_for_nobody(somebody_is_here=lease is None):
            _end(files, "the worker computed on although nobody waited")
        if lease is None:
            continue
        if files.idle_s() > max(files.keep_alive_s(), _LEAST_IDLE_S):
            _leave(files)
        os.close(lease)


def _end(files: WorkerFiles, why: str) -> NoReturn:
    # Whoever was being answered reads here why the answer broke off.
    print(why, file=sys.stderr, flush=True)  # noqa: T201
    _leave(files)


def _leave(files: WorkerFiles) -> NoReturn:
    with contextlib.suppress(OSError):
        files.remove_traces()
    # Not sys.exit: the server's destructor waits for requests that nobody reads any more.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])

"""The embedded engine's process: `python -m localai.engine.llamacpp.worker FOLDER`.

Denies itself the network, loads one model with llama.cpp's own server on a Unix socket, describes
itself in `worker.json`, and leaves when nobody has used it for a while. It never reads a prompt:
the server inside it answers. Native failures kill only this process.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from typing import Any

from localai.engine.beginning import begin, load_failed
from localai.engine.llamacpp.binary import VERBOSITY, prompt_cache_mib
from localai.engine.llamacpp.known_projection import KnownProjection, all_are_cpus
from localai.engine.llamacpp.library import write_out_log
from localai.engine.llamacpp.limits import CHECKPOINTS, most_bytes
from localai.engine.llamacpp.log import card_memory_bytes, host_memory, main_memory_bytes
from localai.engine.llamacpp.serving import Computer, end, kv_folder, serve_until_idle
from localai.engine.llamacpp.steps import steps
from localai.engine.llamacpp.threads import threads
from localai.engine.worker_files import Draft, FlashAttention, WorkerSpec

_QUIET = 0
_DRAFTS: dict[Draft, str] = {"lookup": "NGRAM_MAP_K", "mtp": "DRAFT_MTP"}
_FLASH: dict[FlashAttention, str] = {"auto": "AUTO", "on": "ENABLED", "off": "DISABLED"}
_LONGEST_LOG_BYTES = 4_000_000


def main(directory: str) -> None:
    """Serve the model that FOLDER/spec.json names until idle. Exits the process."""
    begun = begin(directory)
    files, spec = begun.files, begun.spec
    import xllamacpp

    engine = f"xllamacpp {xllamacpp.__version__}"
    info = begun.info(engine, kv_folder(engine, spec))
    files.write_info(replace(info, is_loading=True))
    # Bind by a relative name: a Unix socket's path is limited to about 100 bytes.
    os.chdir(files.directory)
    parameters = engine_parameters(xllamacpp, spec, files.socket.name)
    if info.kv_folder is not None:
        parameters.slot_save_path = f"{info.kv_folder}/"
    projection = KnownProjection(info, xllamacpp.get_device_info())
    if (known := projection.log_text()) is not None:
        parameters.fit_params = False
        print(known, end="", file=sys.stderr, flush=True)  # noqa: T201  stderr is the log
    try:
        server = xllamacpp.Server(parameters)  # noqa: F841  it serves for as long as it is held
    except RuntimeError as error:
        write_out_log()
        load_failed(str(error))
    computer = Computer(os.getpid())
    # Not earlier: the engine holds the interpreter's lock while it loads, so a handler could not
    # run.
    signal.signal(signal.SIGTERM, lambda *_: end(files, computer, "the worker was stopped"))
    begun.go_on_alone()
    log = _own_log()
    if known is None:
        projection.remember(log)
    projected = host_memory(log)
    _keep_requests_out_of_log(xllamacpp)
    files.write_info(
        replace(
            info,
            started_at=time.time(),
            memory_bytes=main_memory_bytes(log),
            card_memory_bytes=card_memory_bytes(log),
        )
    )
    most = None if projected is None else most_bytes(projected, spec.projector_path)
    serve_until_idle(files, most, computer)


def _own_log() -> str:
    """The log so far; empty if it cannot be read."""
    write_out_log()
    try:
        return os.pread(2, _LONGEST_LOG_BYTES, 0).decode(errors="replace")
    except OSError:
        return ""


def _keep_requests_out_of_log(xllamacpp: Any) -> None:
    """From here on nothing of a request is logged: llama.cpp logs why it refuses one, and a
    template refuses with its own text, which may quote the message."""
    import ctypes

    try:
        engine = ctypes.CDLL(xllamacpp.xllamacpp.__file__)
        # common_log_set_verbosity_thold(int), as C++ names it. ggml's last words are printed all
        # the same.
        engine._Z30common_log_set_verbosity_tholdi(_QUIET)
    except (OSError, AttributeError):
        # An unknown build: silence the log, rather than log parts of a request.
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
    devices = xllamacpp.get_device_info()
    parameters.cache_ram_mib = prompt_cache_mib(spec, (each["name"] for each in devices))
    # llama.cpp's own 32 can be larger than all the rest.
    parameters.n_ctx_checkpoints = CHECKPOINTS
    parameters.fit_params = True
    parameters.warmup = spec.warm_up
    parameters.ui = False
    parameters.offline = True
    parameters.endpoint_slots = True
    parameters.endpoint_metrics = True
    parameters.verbosity = VERBOSITY
    decoding, prefilling = threads(spec)
    if decoding is not None:
        parameters.cpuparams.n_threads = decoding
    if prefilling is not None:
        parameters.cpuparams_batch.n_threads = prefilling
    kind = xllamacpp.ggml_type[f"GGML_TYPE_{spec.kv_type.upper()}"]
    parameters.cache_type_k = parameters.cache_type_v = kind
    flash = f"LLAMA_FLASH_ATTN_TYPE_{_FLASH[spec.flash_attention]}"
    parameters.flash_attn_type = xllamacpp.llama_flash_attn_type[flash]
    on_cpu = spec.gpu_layers == 0 or all_are_cpus(devices)
    parameters.n_batch, parameters.n_ubatch = steps(spec, on_cpu=on_cpu)
    if spec.gpu_layers is not None:
        parameters.n_gpu_layers = spec.gpu_layers
    if spec.projector_path is not None:
        parameters.mmproj.path = spec.projector_path
    if spec.adapter_path is not None:
        parameters.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(spec.adapter_path, 1.0)]
    if spec.chat_template is not None:
        parameters.chat_template = spec.chat_template
    if spec.draft != "off":
        kind = f"COMMON_SPECULATIVE_TYPE_{_DRAFTS[spec.draft]}"
        parameters.speculative.types = [xllamacpp.common_speculative_type[kind]]
    return parameters


if __name__ == "__main__":
    main(sys.argv[1])

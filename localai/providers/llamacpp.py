"""The embedded engine as a provider: any GGUF file on this machine, in a worker without a network.

Text is never cut to fit: when a conversation needs more context than the worker has, the worker
is restarted larger, as far as the model and the memory go; then an error with the numbers.
"""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localai.engine.lifecycle import Lease, acquire, is_warm
from localai.engine.wire import EngineRefused, UnixConnection, call, send, server_sent_events
from localai.engine.worker_files import WorkerSpec
from localai.errors import ContextOverflow, Unreachable
from localai.models.library import local_models, resolve_local
from localai.providers.chat_wire import StreamClock, read_stream, refusal, request_body
from localai.types import (
    ChatRequest,
    Event,
    Loading,
    Locality,
    Process,
    ResolvedModel,
    Zone,
)

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths

# The context grows in steps, so that a conversation does not restart the worker at every turn.
_STEP_TOKENS = 4096
# No tokenizer makes more tokens of a text than it has bytes; a template adds a few per message.
_TEMPLATE_TOKENS = 64
_DEFAULT_ROOM_TOKENS = 512


class LlamaCpp:
    """The provider `llamacpp`."""

    name = "llamacpp"
    zone: Zone | None = Zone.DEVICE

    def __init__(self, config: Config, paths: Paths) -> None:
        self._config = config
        self._paths = paths
        self._slots: int = config["engine.slots"]
        self._shared_tokens = 0

    def models(self) -> list[ResolvedModel]:
        """Every GGUF model in the stores of this machine."""
        return local_models(self._paths)

    def resolve(self, name: str) -> ResolvedModel:
        """The model called `name`, or the file at that path. Raises NotFound, InvalidInput."""
        return resolve_local(name, self._paths)

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        """Answer on the engine. Raises InsufficientResources, ContextOverflow, Unreachable."""
        clock = StreamClock()
        load_s: float | None = None
        spec = self._spec(request)
        while True:
            if not is_warm(self._paths, spec):
                yield Loading(f"loading the model with a context of {spec.context_tokens:,} tokens")
                load_s = 0.0
            with self._worker(request, spec) as lease:
                load_s = None if load_s is None else time.perf_counter() - clock.started
                needed = self._needed_context(request, lease)
                if needed <= lease.info.context_tokens:
                    yield from _answer(request, lease, clock, load_s)
                    return
            spec = replace(spec, context_tokens=needed)

    def prepare(self, request: ChatRequest, at_once: int, context_tokens: int) -> None:
        """Be ready for `at_once` requests like `request`, which share `context_tokens`.

        More than that in flight makes the engine drop all of them, so who asks keeps the sum below.
        Raises InsufficientResources (before anything is loaded), Unreachable.
        """
        self._slots = max(self._slots, at_once)
        self._shared_tokens = context_tokens
        with self._worker(request, self._spec(request)):
            pass

    def close(self) -> None:
        """Nothing to release: the worker belongs to whoever comes next, too."""

    def _spec(self, request: ChatRequest) -> WorkerSpec:
        config, model = self._config, request.model
        limit = model.context_limit or 1 << 30
        return WorkerSpec(
            kind="llamacpp",
            model_path=str(_path(request)),
            context_tokens=max(
                min(request.context_tokens or config["engine.context"], limit), self._shared_tokens
            ),
            slots=self._slots,
            threads=config["engine.threads"],
            gpu_layers=config["engine.gpu_layers"],
            draft=config["engine.draft"] == "lookup",
            projector_path=None if model.projector is None else str(model.projector),
        )

    def _worker(self, request: ChatRequest, spec: WorkerSpec) -> AbstractContextManager[Lease]:
        keep_alive = request.keep_alive_s
        return acquire(
            self._paths,
            spec,
            keep_alive_s=self._config["engine.keep_alive"] if keep_alive is None else keep_alive,
            available_bytes=_available_bytes,
            force=request.force,
        )

    def _needed_context(self, request: ChatRequest, lease: Lease) -> int:
        """The context that the prompt and its answer need, in tokens.

        Raises ContextOverflow if that is more than the model or the user's --ctx allows.
        """
        room = request.options.max_tokens or _DEFAULT_ROOM_TOKENS
        most = sum(len(m.text.encode()) + _TEMPLATE_TOKENS for m in request.messages)
        if most + room <= lease.info.context_tokens:
            return lease.info.context_tokens
        prompt = _count_tokens(request, lease)
        limits = (request.context_tokens, request.model.context_limit)
        limit = min((limit for limit in limits if limit is not None), default=None)
        if limit is not None and prompt >= limit:
            asked = request.context_tokens is not None and limit == request.context_tokens
            whose = "the --ctx that was given" if asked else "what the model can hold"
            raise ContextOverflow(
                f"the prompt has {prompt:,} tokens, and {limit:,} is {whose}",
                hint="give a larger --ctx" if asked else "shorten the prompt",
                prompt_tokens=prompt,
                context_tokens=limit,
            )
        needed = prompt + room
        if needed > lease.info.context_tokens:
            needed = -(-needed // _STEP_TOKENS) * _STEP_TOKENS
        return needed if limit is None else min(needed, max(limit, prompt + 1))


def create(config: Config, paths: Paths) -> LlamaCpp:
    """The provider, as the table of `localai.providers` wants it."""
    return LlamaCpp(config, paths)


def _available_bytes() -> int | None:
    # Asked only when a worker must be started: psutil stays out of a warm one-shot.
    from localai.hardware.memory import live_memory

    return live_memory().available_bytes.value


def _path(request: ChatRequest) -> Path:
    assert request.model.path is not None, "the embedded engine opens files"
    return request.model.path


def _count_tokens(request: ChatRequest, lease: Lease) -> int:
    body = request_body(request)
    socket = lease.files.socket
    try:
        prompt = call(socket, "POST", "/apply-template", {"messages": body["messages"]})["prompt"]
        counted = call(
            socket,
            "POST",
            "/tokenize",
            {"content": prompt, "add_special": True, "parse_special": True},
        )
    except EngineRefused as error:
        raise refusal("the embedded engine", error.status, error.error) from error
    return len(counted["tokens"])


def _answer(
    request: ChatRequest, lease: Lease, clock: StreamClock, load_s: float | None
) -> Iterator[Event]:
    connection = UnixConnection(lease.files.socket)
    try:
        response = send(connection, "POST", "/v1/chat/completions", _body(request))
        yield from read_stream(
            server_sent_events(response),
            _locality(lease),
            clock,
            load_s=load_s,
            context_tokens=lease.info.context_tokens,
        )
    except EngineRefused as error:
        raise refusal("the embedded engine", error.status, error.error) from error
    except (OSError, http.client.HTTPException, Unreachable, ValueError) as error:
        raise Unreachable(
            f"the embedded engine broke off: {lease.last_words()}",
            hint=f"its whole log: {lease.files.log}",
        ) from error
    finally:
        # Closing the connection is what makes the server stop computing.
        connection.close()


def _body(request: ChatRequest) -> dict[str, Any]:
    body = request_body(request)
    body["return_progress"] = True
    body["cache_prompt"] = True
    if request.think is not None:
        body["chat_template_kwargs"] = {"enable_thinking": request.think != "off"}
        if request.think in ("low", "medium", "high"):
            body["chat_template_kwargs"]["reasoning_effort"] = request.think
    return body


def _locality(lease: Lease) -> Locality:
    info = lease.info
    return Locality(
        zone=Zone.DEVICE,
        evidence=f"a worker of this command on a Unix socket; {info.denial}",
        process=Process(info.pid, info.engine),
        machine=os.uname().nodename,
        network_denied=info.network_denied,
    )

"""MLX as a provider: Apple's own engine, the fast path on Apple Silicon, in a worker of its own.

It opens MLX folders in place. Like llama.cpp's, its worker has no network, outlives the command and
is shared. Unlike there, a larger context needs no restart: MLX's cache grows in place.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from localai.engine.lifecycle import Lease, is_warm
from localai.engine.worker_files import WorkerSpec
from localai.errors import InsufficientResources, InvalidInput, Unreachable
from localai.events import Events, Loading
from localai.net.framing import ServerRefused
from localai.net.http import call
from localai.providers.facts import ProviderFacts
from localai.providers.memory_before import MemoryBefore
from localai.providers.worker_chat import (
    WorkerProvider,
    announce_stopped_owner,
    answer_of_worker,
    count_tokens,
    worker_body,
)
from localai.sampling_options import wire_options
from localai.sizing.context import counted_context
from localai.types import ChatRequest, ResolvedModel
from localai.units import bytes_text
from localai.wires.clock import AnswerClock
from localai.wires.limits import limits_of
from localai.wires.refusals import worker_failure

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths
    from localai.sizing.memory_parts import MemoryParts

INTERPRETER_VARIABLE = "LOCALAI_MLX_PYTHON"
# Typed as a plain text, so that mypy checks the branches of both systems.
_PLATFORM: str = sys.platform
_WHO = "the MLX engine"
_OLDEST_MACOS = 14
# By which mlx-lm's caches grow.
_CACHE_STEP_TOKENS = 256
# Options that the worker applies beside the common ones; it would ignore any other.
_OWN_OPTIONS = frozenset({"chat_template_kwargs"})


def mlx_may_run() -> bool:
    """Whether this machine may run MLX: Apple Silicon under a macOS that has builds of it, or an
    environment that names an interpreter."""
    return INTERPRETER_VARIABLE in os.environ or (_on_apple_silicon() and not _macos_too_old())


def _on_apple_silicon() -> bool:
    return _PLATFORM == "darwin" and platform.machine() == "arm64"


def _macos_too_old() -> bool:
    return int(platform.mac_ver()[0].partition(".")[0] or _OLDEST_MACOS) < _OLDEST_MACOS


FACTS = ProviderFacts(
    title="MLX, Apple's own engine",
    computes="here",
    opens="mlx",
    concurrency=8,
    # As many as the worker computes together; the others wait in its queue.
    most_concurrent=32,
    runs_here=mlx_may_run,
    keeps_special_tokens_as_text=True,
    takes_chat_template=True,
)


class Mlx(WorkerProvider):
    """The provider `mlx`."""

    name = "mlx"
    engine_kind = "mlx"

    def models(self) -> list[ResolvedModel]:
        """Every MLX folder in the stores of this machine. Raises Unreachable if MLX cannot run."""
        from localai.stores.inventory import mlx_models

        mlx_interpreter()
        return mlx_models(self._paths)

    def resolve(self, name: str) -> ResolvedModel:
        """The model called `name`, or the folder at that path.

        Raises NotFound, InvalidInput, and Unreachable if MLX cannot run.
        """
        from localai.stores.lookup import resolve_mlx

        mlx_interpreter()
        return resolve_mlx(name, self._paths)

    def check_installed(self) -> None:
        """Raise Unreachable without Apple Silicon and mlx-lm."""
        mlx_interpreter()

    def stream(self, request: ChatRequest) -> Events:
        """Answer with MLX. Raises InvalidInput for a request that it cannot serve (a schema,
        pictures, an option of another engine), InsufficientResources, ContextOverflow,
        Unreachable."""
        _refuse_what_mlx_cannot(request, self._paths)
        clock = AnswerClock(limits_of(request))
        spec = self._spec(request)
        before = MemoryBefore()
        taken: int | None = None
        load_s: float | None = None
        if not is_warm(self._paths, spec):
            yield Loading(f"loading the model with a context of {spec.context_tokens:,} tokens")
            load_s = 0.0
            taken = _needed_bytes(request, spec.context_tokens)
        with self._worker(request, spec, before) as lease:
            yield from announce_stopped_owner(lease)
            yield from before.warnings(taken)
            load_s = None if load_s is None else time.perf_counter() - clock.started
            yield from self._template_doubts(request, lease)
            context = _grown_context(request, lease)
            body = worker_body(request)
            body["keep_on_disk"] = request.conversation is not None
            events = answer_of_worker(
                lease, request, body, clock, who=_WHO, load_s=load_s, context_tokens=context
            )
            yield from self._after_what_was_stopped(events, lease)

    def prepare(self, request: ChatRequest, concurrency: int, context_tokens: int) -> int:
        """Start a worker in which `concurrency` answers are computed together, in `context_tokens`.

        Whoever finds no room there waits in the worker.
        """
        # A cache grows in whole steps.
        room_tokens = context_tokens + concurrency * _CACHE_STEP_TOKENS
        spec = self._spec(request)
        loaded = is_warm(self._paths, spec)
        if not loaded and not request.force:
            _check_memory(request, 0, room_tokens, MemoryBefore())
        with self._worker(request, spec) as lease:
            have = lease.info.context_tokens
            if loaded and not request.force and room_tokens > have:
                _check_memory(request, have, room_tokens, MemoryBefore())
            _grow(lease, {"context_tokens": have, "room_tokens": room_tokens})
        return context_tokens

    def count_tokens(self, request: ChatRequest) -> int:
        """The tokens of the prompt; the worker is started for it. Raises what `warm` raises."""
        with self._worker(request, self._spec(request)) as lease:
            return count_tokens(request, lease, _WHO)

    def warm(self, request: ChatRequest) -> None:
        """Start the model's worker. Raises InsufficientResources, Unreachable."""
        with self._worker(request, self._spec(request)):
            pass

    def _worker(
        self, request: ChatRequest, spec: WorkerSpec, before: MemoryBefore | None = None
    ) -> AbstractContextManager[Lease]:
        """The worker, which is started on entering; its memory is checked before."""
        interpreter = mlx_interpreter()
        if not request.force and not is_warm(self._paths, spec):
            # By formula, because the worker itself projects nothing.
            _check_memory(request, 0, spec.context_tokens, before or MemoryBefore())
        return self._acquired(request, spec, lambda: None, interpreter=interpreter)

    def _spec(self, request: ChatRequest) -> WorkerSpec:
        assert request.model.path is not None, "MLX opens folders"
        # Without --ctx, because a warm worker with another context is grown, not restarted.
        limit = request.model.context_limit or 1 << 30
        return WorkerSpec(
            kind="mlx",
            model_path=str(request.model.path),
            context_tokens=min(self._config["engine.context"], limit),
            kv_dir=str(self._paths.kv_dir),
            chat_template=request.chat_template,
        )


def create(config: Config, paths: Paths) -> Mlx:
    """The provider, as `localai.providers.registry` calls it."""
    return Mlx(config, paths)


def mlx_interpreter() -> str:
    """The Python that runs the worker: this one, or that of LOCALAI_MLX_PYTHON (for development and
    tests: another interpreter that has mlx-lm, also on Linux with `mlx[cpu]`).

    Raises Unreachable if MLX cannot run.
    """
    if chosen := os.environ.get(INTERPRETER_VARIABLE):
        return chosen
    if not mlx_may_run():
        why = "MLX runs on Apple Silicon only, and this machine has none"
        if _on_apple_silicon():
            why = f"MLX needs macOS {_OLDEST_MACOS} or newer, and this is {platform.mac_ver()[0]}"
        raise Unreachable(why, hint="the embedded engine runs here: localai chat -m llamacpp/MODEL")
    from importlib.util import find_spec

    # Only looked for, not imported: without a Metal device the import has killed the process.
    if find_spec("mlx_lm") is None:
        raise Unreachable(
            "mlx-lm is not installed",
            hint="install again: it adds what is missing",
            command="./install.sh",
        )
    return sys.executable


def _refuse_what_mlx_cannot(request: ChatRequest, paths: Paths) -> None:
    wire_options(request.options, "mlx", "mlx")
    for name in request.options.extra:
        if name not in _OWN_OPTIONS:
            raise InvalidInput(
                f"MLX has no option {name!r}",
                hint=f"beside the common ones it has: {', '.join(sorted(_OWN_OPTIONS))}",
            )
    sees = any(message.pictures for message in request.messages)
    if sees or request.schema is not None:
        from localai.providers.able_models import only_by_gguf

        raise only_by_gguf(request.model, paths, sees=sees)


def _grown_context(request: ChatRequest, lease: Lease) -> int:
    """The context for this answer, in tokens, after the worker was allowed to grow to it.

    Raises ContextOverflow, InsufficientResources.
    """
    have = lease.info.context_tokens
    needed = max(
        counted_context(request, have, lambda: count_tokens(request, lease, _WHO)),
        min(request.context_tokens or 0, request.model.context_limit or 1 << 30),
    )
    if needed <= have:
        return have
    if not request.force:
        _check_memory(request, have, needed, MemoryBefore())
    _grow(lease, {"context_tokens": needed})
    return needed


def _grow(lease: Lease, wanted: dict[str, int]) -> None:
    try:
        call(lease.files.socket, "POST", "/context", wanted)
    except ServerRefused as error:
        raise worker_failure(_WHO, error.status, error.error) from error


def _check_memory(
    request: ChatRequest, loaded_tokens: int, context_tokens: int, before: MemoryBefore
) -> None:
    """Raise InsufficientResources if the memory that is still to be allocated exceeds what a model
    may take.

    With `loaded_tokens` above 0 the model is loaded already, with a context of that many.
    """
    need = _projected(request, context_tokens)
    available = before.most_bytes()
    if need is None or available is None:
        return
    loaded = _projected(request, loaded_tokens) if loaded_tokens else None
    more = need.total_bytes - (loaded.total_bytes if loaded is not None else 0)
    if more <= available:
        return
    raise InsufficientResources(
        f"{request.model.id} with a context of {context_tokens:,} tokens needs"
        f" {bytes_text(more)} {'more ' if loaded else ''}of memory by formula"
        f" ({bytes_text(need.weights_bytes)} weights + {bytes_text(need.context_bytes)} context"
        f" + {bytes_text(need.compute_bytes)} compute), and {bytes_text(available)} is available",
        hint="a smaller model or --ctx fits better; --force tries anyway",
        check="memory",
    )


def _projected(request: ChatRequest, context_tokens: int) -> MemoryParts | None:
    from localai.formats.mlx_folder import read_folder
    from localai.sizing.mlx_formula import projected_memory

    assert request.model.path is not None, "MLX opens folders"
    return projected_memory(read_folder(request.model.path), context_tokens)


def _needed_bytes(request: ChatRequest, context_tokens: int) -> int | None:
    need = _projected(request, context_tokens)
    return None if need is None else need.total_bytes

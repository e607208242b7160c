"""The embedded engine as a provider: any GGUF file on this machine, in a worker without a network.

Text is never cut to fit. If a conversation needs more context than the worker has, the worker is
restarted with a larger one, as far as the model and the memory go; beyond that there is an error
with the numbers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from localai.engine.lifecycle import Lease, is_warm
from localai.engine.llamacpp.steps import allocated_context
from localai.engine.worker_files import KvType, WorkerSpec
from localai.errors import InvalidInput
from localai.events import Events, Loading
from localai.net.http import call
from localai.providers.facts import ProviderFacts
from localai.providers.memory_before import MemoryBefore
from localai.providers.provider import RenderedPrompt
from localai.providers.worker_chat import (
    WorkerProvider,
    announce_stopped_owner,
    answer_of_worker,
    count_tokens,
    rendered_prompt,
    worker_body,
)
from localai.sizing.context import counted_context
from localai.stores.inventory import gguf_models
from localai.stores.lookup import resolve_gguf
from localai.types import ChatRequest, ResolvedModel
from localai.wires.chat_completions.client import LLAMA_SERVER_MEASURED
from localai.wires.clock import AnswerClock
from localai.wires.limits import limits_of

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths
    from localai.providers.conversation_state import ConversationState
    from localai.providers.go_prompts import GoPrompt
    from localai.providers.token_odds import TokenOdds

_WHO = "the embedded engine"
# llama.cpp can keep values in these types only with flash attention.
_NEED_FLASH = ("q8_0", "q4_0")

FACTS = ProviderFacts(
    title="the embedded engine (llama.cpp)",
    computes="here",
    opens="gguf",
    # On two cores 8 slots give 1.8 to 2 times the rate, and 16 no more (docs/guides/batch.md).
    concurrency=8,
    concurrency_setting="engine.slots",
    # llama.cpp does not start with more than a few hundred slots, and more are no faster.
    most_concurrent=64,
    when_measured=LLAMA_SERVER_MEASURED,
    continues_answers=True,
    holds_schemas="grammar",
    keeps_special_tokens_as_text=True,
    takes_chat_template=True,
    budgets_thinking=True,
)


class LlamaCpp(WorkerProvider):
    """The provider `llamacpp`."""

    name = "llamacpp"
    engine_kind = "llamacpp"

    def __init__(self, config: Config, paths: Paths) -> None:
        super().__init__(config, paths)
        self._slots: int = config["engine.slots"]
        self._shared_tokens = 0

    def models(self) -> list[ResolvedModel]:
        """Every GGUF model in the stores of this machine."""
        return gguf_models(self._paths)

    def resolve(self, name: str) -> ResolvedModel:
        """The model called `name`, or the file at that path. Raises NotFound, InvalidInput."""
        return resolve_gguf(name, self._paths)

    def stream(self, request: ChatRequest) -> Events:
        """Answer on the engine. Raises InsufficientResources, ContextOverflow, Unreachable."""
        clock = AnswerClock(limits_of(request))
        load_s: float | None = None
        spec = self._spec(request)
        while True:
            if not is_warm(self._paths, spec):
                yield Loading(f"loading the model with a context of {spec.context_tokens:,} tokens")
                load_s = 0.0
            before = MemoryBefore()
            with self._worker(request, spec, before) as lease:
                yield from announce_stopped_owner(lease)
                yield from before.warnings(lease.info.memory_bytes)
                load_s = None if load_s is None else time.perf_counter() - clock.started
                made = yield from self._template_doubts(request, lease)
                context = lease.info.context_tokens
                count = partial(count_tokens, request, lease, _WHO)
                needed = counted_context(request, context, count)
                if needed <= context:
                    events = self._answer(request, lease, clock, load_s, made)
                    yield from self._after_what_was_stopped(events, lease)
                    return
            spec = replace(spec, context_tokens=allocated_context(needed))

    def _answer(
        self,
        request: ChatRequest,
        lease: Lease,
        clock: AnswerClock,
        load_s: float | None,
        made: GoPrompt | None,
    ) -> Events:
        if request.tools:
            _refuse_unknown_tools(request, lease)
        body = {"cache_prompt": True, **worker_body(request)}
        state = self._conversation_state(request, lease)
        if state is not None:
            body = state.with_saved_state(body)
        events = answer_of_worker(
            lease,
            request,
            body,
            clock,
            who=_WHO,
            load_s=load_s,
            # A worker that several requests share may have more than the model can hold.
            context_tokens=min(
                lease.info.context_tokens,
                request.model.context_limit or lease.info.context_tokens,
            ),
            made=made,
        )
        return events if state is None else state.saving_after(events)

    def _conversation_state(self, request: ChatRequest, lease: Lease) -> ConversationState | None:
        limit = self._config["engine.kv_limit"]
        if request.conversation is None or lease.info.kv_folder is None or not limit:
            return None
        from localai.providers.conversation_state import ConversationState

        return ConversationState(lease, request, self._paths.kv_dir, limit)

    def prepare(self, request: ChatRequest, concurrency: int, context_tokens: int) -> int:
        """Start a worker in which `concurrency` requests share `context_tokens`.

        The caller keeps the sum of the requests' tokens below that. If it did not, the engine would
        drop all of them.
        """
        self._slots = max(self._config["engine.slots"], concurrency)
        self._shared_tokens = context_tokens
        with self._worker(request, self._spec(request)):
            return context_tokens

    def rendered(self, request: ChatRequest) -> RenderedPrompt:
        """The text that the model would read, by the template and tokenizer of its worker, which is
        started for that. Raises InsufficientResources, Unreachable."""
        with self._worker(request, self._spec(request)) as lease:
            return rendered_prompt(request, lease, _WHO)

    def count_tokens(self, request: ChatRequest) -> int:
        """The tokens of the prompt; the worker is started for it. Raises what `warm` raises."""
        with self._worker(request, self._spec(request)) as lease:
            return count_tokens(request, lease, _WHO)

    @contextmanager
    def odds(self, request: ChatRequest) -> Iterator[TokenOdds]:
        """The model's odds of tokens, while the block runs. Raises what `warm` raises."""
        from localai.providers.worker_odds import WorkerOdds

        with self._worker(request, self._spec(request)) as lease:
            yield WorkerOdds(lease)

    def engine(self) -> str:
        """The engine's package and its version, or `engine.binary` and its version."""
        from importlib.metadata import version

        written = self._binary()
        if written is not None:
            from localai.engine.llamacpp.binary import read_binary

            return read_binary(Path(written), self._paths.cache_dir).title
        return f"xllamacpp {version('xllamacpp')}"

    def warm(self, request: ChatRequest) -> None:
        """Start the model's worker. Raises InsufficientResources, Unreachable."""
        with self._worker(request, self._spec(request)):
            pass

    def _spec(self, request: ChatRequest) -> WorkerSpec:
        from localai.hardware.allowed_cores import allowed_cores

        config, model = self._config, request.model
        assert model.path is not None, "the embedded engine opens files"
        limit = model.context_limit or 1 << 30
        kv_type = cast("KvType", model.kv_type or config["engine.kv_type"])
        if config["engine.flash_attention"] == "off" and kv_type in _NEED_FLASH:
            raise InvalidInput(
                f"keys and values as {kv_type} need flash attention",
                command="localai config set engine.flash_attention auto",
            )
        return WorkerSpec(
            kind="llamacpp",
            model_path=str(model.path),
            context_tokens=allocated_context(
                max(
                    min(request.context_tokens or config["engine.context"], limit),
                    self._shared_tokens,
                )
            ),
            slots=self._slots,
            threads=config["engine.threads"],
            cores=allowed_cores(),
            prefill_threads=config["engine.prefill_threads"],
            gpu_layers=(
                config["engine.gpu_layers"] if model.gpu_layers is None else model.gpu_layers
            ),
            kv_type=kv_type,
            flash_attention=config["engine.flash_attention"],
            batch=config["engine.batch"],
            micro_batch=config["engine.micro_batch"],
            warm_up=config["engine.warm_up"],
            draft=config["engine.draft"],
            chat_template=request.chat_template,
            adapter_path=None if model.adapter is None else str(model.adapter),
            projector_path=None if model.projector is None else str(model.projector),
            kv_dir=str(self._paths.kv_dir),
            binary=self._binary(),
            cache_dir=str(self._paths.cache_dir),
        )

    def _binary(self) -> str | None:
        """The llama-server that the user has set as the engine; None for the bundled one."""
        written = self._config["engine.binary"]
        if written is None:
            return None
        from localai.engine.llamacpp.binary import find_binary

        return str(find_binary(written))

    def _worker(
        self, request: ChatRequest, spec: WorkerSpec, before: MemoryBefore | None = None
    ) -> AbstractContextManager[Lease]:
        if spec.draft == "mtp" and not is_warm(self._paths, spec):
            from localai.providers.prediction_heads import require_prediction_heads

            require_prediction_heads(spec, request.model.id)
        available = (before or MemoryBefore()).most_bytes
        return self._acquired(request, spec, available, force=request.force)


def create(config: Config, paths: Paths) -> LlamaCpp:
    """The provider, as `localai.providers.registry` calls it."""
    return LlamaCpp(config, paths)


def _refuse_unknown_tools(request: ChatRequest, lease: Lease) -> None:
    """Raise InvalidInput if the model's template knows no tools: the engine would silently leave
    them out."""
    able = call(lease.files.socket, "GET", "/props").get("chat_template_caps") or {}
    if not able.get("supports_tools", True):
        raise InvalidInput(f"the chat template of {request.model.id} knows no tools")

"""Ollama as a provider: its native API, spoken directly.

The `ollama` package is not used here: importing it takes 470 ms, in a one-shot that takes 60. The
tests compare with it, and `ollama_models` uses it for rare tasks.

An answer on loopback need not be local: Ollama sends some models' prompts to its cloud, whatever
their names. So a model is looked up immediately before each question. If it is computed elsewhere
and that was not allowed, nothing is sent. Every line of an answer is checked again.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from localai.dataclass import dataclass
from localai.errors import (
    ContextOverflow,
    InvalidInput,
    LocalaiError,
    PolicyRefused,
    Unreachable,
)
from localai.loops import Looping
from localai.net.framing import ServerRefused
from localai.net.http import SentRequest
from localai.net.listener import listening_pid
from localai.net.target import client_target
from localai.privacy import guard
from localai.providers.facts import ProviderFacts
from localai.providers.form import reads_a_server
from localai.providers.ollama_daemon import Daemon, target_of
from localai.providers.provider import Provider
from localai.sizing.context import (
    choose_context,
    grown_context,
    guessed_context,
    may_overflow,
)
from localai.types import (
    ChatRequest,
    Done,
    Event,
    Events,
    Loading,
    Locality,
    Message,
    Options,
    Process,
    ResolvedModel,
    TextDelta,
    ToolCall,
    Zone,
)
from localai.wires.clock import AnswerClock
from localai.wires.limits import limits_of
from localai.wires.ollama import client as wire
from localai.wires.reasoning.splitter import ReasoningSplitter

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths

_PROGRESS_EVERY_S = 1.0
CLOUD_HOST = "ollama.com"
"""Its cloud, where it says no more than that it asks that."""

# Ollama queues requests that it does not compute at once.
FACTS = ProviderFacts(
    title="Ollama",
    computes="by_model",
    store="ollama",
    holds_schemas="grammar",
    template_is_elsewhere=(
        "it stands in the model's Modelfile (TEMPLATE, in Go and not Jinja), of which"
        " `ollama create` makes another model"
    ),
)


@dataclass(slots=True)
class _AskedQuestion:
    """A request on its way: what was found out about its model, and what was decided.

    `context_tokens` is the context that it relies on. Ollama is told it only if `tells_context`:
    otherwise Ollama uses its own, with which other programs have it load the model.
    """

    request: ChatRequest
    clock: AnswerClock
    remote: str | None
    limit: int | None
    own_system: str | None
    think: bool | str | None
    context_tokens: int
    tells_context: bool
    loaded_context: int | None
    pid: int | None = None

    @property
    def may_shift(self) -> bool:
        """Whether Ollama's cutting at a full context may stay on, because the context cannot become
        full."""
        return not may_overflow(self.request, self.context_tokens)


class _OwnContextTooSmall(Exception):
    """Ollama used a smaller context than was relied on: it must be told the larger one."""


@reads_a_server
class Ollama(Provider):
    """The provider `ollama`."""

    name = "ollama"

    def __init__(self, config: Config, daemon: Daemon) -> None:
        self._config = config
        self._daemon = daemon

    def models(self) -> list[ResolvedModel]:
        """Every model of Ollama's that can chat. Raises Unreachable, PolicyRefused."""
        in_memory = self._daemon.names_in_memory()
        found = [
            replace(self._described(listed), loaded=listed["name"] in in_memory)
            for listed in self._daemon.listed()
        ]
        return [m for m in found if m.capabilities is None or "completion" in m.capabilities]

    def resolve(self, name: str) -> ResolvedModel:
        """The model called `name`, `:latest` if it has no tag.

        Raises NotFound with near names, Unreachable, PolicyRefused.
        """
        return self._described(self._daemon.find(name))

    def stream(self, request: ChatRequest) -> Events:
        """Answer. Raises PolicyRefused before a byte is sent if another machine would compute it.

        Raises ContextOverflow, NotFound, InvalidInput, ProviderRefused, Unreachable as well.
        """
        question = self._look_up(request)
        while True:
            try:
                yield from self._ask(question)
                return
            except _OwnContextTooSmall:
                question.tells_context = True
            except ContextOverflow as overflow:
                larger = None
                if _asked_context(request) is None and question.clock.first is None:
                    tried, prompt = question.context_tokens, overflow.prompt_tokens
                    larger = grown_context(tried, prompt, request, question.limit)
                if larger is None:
                    raise
                question.context_tokens, question.tells_context = larger, True

    def engine(self) -> str:
        """Ollama and its version. Raises Unreachable."""
        return self._daemon.version()

    def loaded(self, model: ResolvedModel) -> bool:
        """Whether Ollama has `model` in memory."""
        return self._daemon.loaded(model.id) is not None

    def warm(self, request: ChatRequest) -> None:
        """Have Ollama load the model with the context that the request needs.

        A model that Ollama's cloud computes is not loaded. Raises what `stream` raises.
        """
        question = self._look_up(request)
        if question.remote is None:
            self._daemon.load(
                request.model.id,
                question.context_tokens if question.tells_context else None,
                self._keep_alive(request),
                may_shift=question.may_shift,
            )

    def unload(self, model: ResolvedModel) -> None:
        """Have Ollama take `model` out of memory."""
        if self.loaded(model):
            self._daemon.load(model.id, None, 0.0)

    def destination(self, model: ResolvedModel) -> str | None:
        """The host that a prompt for `model` would go to; None if it stays on this machine."""
        if model.zone is Zone.DEVICE:
            return None
        facts = self._daemon.facts(self._daemon.find(model.id))
        return facts.remote or self._daemon.target.host

    def asks_its_makers(self) -> bool | None:
        """Whether the daemon asks its makers for news at each start, as it does since it has a
        cloud."""
        off = self._daemon.cloud_is_off()
        return None if off is None else not off

    def run_by(self) -> str | None:
        """Which user of this machine runs the daemon, as a sentence; None for one elsewhere."""
        run_by = self._daemon.reach().run_by()
        return f"Ollama on {self._daemon.target.address}{run_by}" if run_by else None

    def close(self) -> None:
        """Do nothing: each request has a connection of its own."""

    # Looking before asking

    def _look_up(self, request: ChatRequest) -> _AskedQuestion:
        clock = AnswerClock()
        model = request.model.id
        self._daemon.version()
        facts = self._daemon.facts(self._daemon.find(model))
        self._refuse_cloud(model, facts.remote)
        if facts.capabilities is not None and "vision" not in facts.capabilities:
            _refuse_images(request)
        loaded = None if facts.remote else (self._daemon.loaded(model) or {}).get("context_length")
        start = facts.own_context or self._config["engine.context"]
        context = choose_context(
            asked=_asked_context(request),
            loaded=loaded,
            start=start,
            needed=guessed_context(request),
            limit=facts.context_limit,
        )
        # The context that Ollama would use by itself: the loaded one, the one that the model's
        # maker wrote into it, or its own smallest default, unless the user has set another one
        # here.
        left_alone = min(start, facts.context_limit or start)
        configured = self._config.values["engine.context"].origin != "default"
        is_own = loaded is None and context == left_alone and not configured
        return _AskedQuestion(
            request=request,
            clock=clock,
            remote=facts.remote,
            limit=facts.context_limit,
            own_system=facts.system_prompt,
            think=wire.wire_think(request.think, facts.capabilities, facts.family),
            context_tokens=context,
            tells_context=_asked_context(request) is not None or not is_own,
            loaded_context=loaded,
        )

    def _refuse_cloud(self, model: str, remote: str | None) -> None:
        if remote is None or "ollama" in self._config["cloud.allow"]:
            return
        raise PolicyRefused(
            f"refused by the privacy policy: Ollama would send the prompt for {model!r}"
            f" to {remote}",
            command="localai config set cloud.allow "
            + ",".join([*self._config["cloud.allow"], "ollama"]),
        )

    # Asking

    @staticmethod
    def _passed_on(remote: str | None) -> AbstractContextManager[None]:
        """Held while connected to the daemon. What it passes on to `remote` is entered in the
        ledger."""
        return nullcontext() if remote is None else guard.passed_on_to(_host_of(remote))

    def _ask(self, question: _AskedQuestion) -> Events:
        request = question.request
        limits = question.clock.limits = limits_of(request, question.context_tokens)
        body = wire.chat_body(
            _without_own_system(request, question.own_system),
            context_tokens=question.context_tokens if question.tells_context else None,
            may_shift=question.may_shift,
            think=question.think,
            keep_alive=self._keep_alive(request),
        )
        try:
            with ExitStack() as connection:
                with self._passed_on(question.remote):
                    sent = connection.enter_context(self._daemon.chat(body, limits.heard))
                # The daemon is computing now, so this look-up delays nothing.
                question.pid = self._pid(question)
                yield from self._waiting(sent, question)
                self._check_context(question)
                end = yield from self._answer(sent, question)
        except ServerRefused as error:
            raise self._refusal(error.status, error.document, question) from error
        yield self._done(end, question)

    def _waiting(self, sent: SentRequest, question: _AskedQuestion) -> Events:
        """Say what Ollama is doing until its answer begins."""
        if question.remote is not None or question.loaded_context == question.context_tokens:
            return
        model, context = question.request.model.id, question.context_tokens
        told = f" with a context of {context:,} tokens" if question.tells_context else ""
        loading = Loading(f"Ollama is loading {model}{told}")
        shown = loading
        yield loading
        while not sent.answers_within(_PROGRESS_EVERY_S):
            entry = self._daemon.loaded(model)
            is_there = entry is not None and (
                not question.tells_context or entry.get("context_length") == context
            )
            now = Loading("reading the prompt") if is_there else loading
            if now != shown:
                yield now
            shown = now

    def _check_context(self, question: _AskedQuestion) -> None:
        """Raise _OwnContextTooSmall if the answer could be cut in Ollama's own context
        (OLLAMA_CONTEXT_LENGTH may be below its default). No part of the answer was passed on
        yet."""
        if question.tells_context or question.remote is not None or not question.may_shift:
            return
        entry = self._daemon.loaded(question.request.model.id) or {}
        allocated = entry.get("context_length") or question.context_tokens
        if may_overflow(question.request, allocated):
            raise _OwnContextTooSmall

    def _answer(
        self, sent: SentRequest, question: _AskedQuestion
    ) -> Generator[Event, None, dict[str, Any]]:
        """Yields the events of the answer; returns its last line."""
        tools_called = False
        # A model that was made from a bare file has no template that tells Ollama how it reasons.
        splitter, reader = ReasoningSplitter(), wire.ChunkReader()
        try:
            for chunk in sent.json_lines():
                self._check(chunk, question)
                for event in reader.events(chunk):
                    question.clock.event(event)
                    tools_called = tools_called or isinstance(event, ToolCall)
                    if isinstance(event, TextDelta):
                        yield from splitter.feed(event.text)
                    else:
                        yield event
                if chunk.get("done"):
                    yield from _held_back(reader, splitter)
                    return {**chunk, "tools_called": tools_called}
        except Looping:
            return {"looping": True, "tools_called": False}
        except Exception:
            yield from _held_back(reader, splitter)
            raise
        yield from _held_back(reader, splitter)
        raise Unreachable(
            "the answer broke off: Ollama ended it without a reason",
            hint="it does that when a model repeats itself; try -o repeat_penalty 1.2",
        )

    def _check(self, chunk: Mapping[str, Any], question: _AskedQuestion) -> None:
        """Raise for a line that is an error, or that another machine computed without
        permission."""
        if "error" in chunk:
            raise self._refusal(chunk.get("status", 500), chunk, question)
        remote = wire.remote_of(chunk)
        if remote is not None:
            self._refuse_cloud(question.request.model.id, remote)
            if question.remote is None:
                target = self._daemon.target
                guard.record_departure(_host_of(remote), target.host, target.port)
            question.remote = remote

    def _done(self, end: Mapping[str, Any], question: _AskedQuestion) -> Done:
        clock, fresh = question.clock, question.loaded_context != question.context_tokens
        usage = wire.usage_of(end)
        load_s = wire.seconds(end.get("load_duration"))
        timings = clock.timings(usage, wire.server_times(end, fresh), load_s)
        entry = None
        if question.remote is None:
            # The answer is complete, even if its server is gone by now.
            with suppress(Unreachable):
                entry = self._daemon.loaded(question.request.model.id)
        context = (entry or {}).get("context_length") or question.context_tokens
        return Done(
            finish_reason="loop"
            if end.get("looping")
            else wire.finish_of(end, context, end["tools_called"]),
            usage=usage,
            timings=timings,
            locality=self._locality(question, entry),
            context_tokens=None if question.remote else context,
            server_reason=end.get("done_reason"),
        )

    def _locality(self, question: _AskedQuestion, entry: Mapping[str, Any] | None) -> Locality:
        run_by = self._daemon.reach().run_by()
        where = f"{self._daemon.version()} on {self._daemon.target.address}{run_by}"
        if question.remote is not None:
            return Locality(Zone.CLOUD, f"{where}, which sent the prompt to {question.remote}")
        zone = self._daemon.reach().zone
        return Locality(
            zone=zone,
            evidence=f"{where}; it names no remote host for this model{_gpu_share(entry)}",
            process=Process(question.pid, "ollama"),
            machine=os.uname().nodename if zone is Zone.DEVICE else self._daemon.target.host,
            # A process that answers us over TCP has a network.
            network_denied=False,
        )

    def _pid(self, question: _AskedQuestion) -> int | None:
        if question.remote is not None or self._daemon.reach().zone is not Zone.DEVICE:
            return None
        return listening_pid(self._daemon.target.port, "ollama")

    # What is known

    def _described(self, listed: Mapping[str, Any]) -> ResolvedModel:
        """The model by `/api/tags` and, if it is computed here, `/api/show`."""
        name = str(listed["name"])
        details = listed.get("details") or {}
        facts = self._daemon.facts(listed)
        remote = facts.remote
        return ResolvedModel(
            provider=self.name,
            id=name,
            zone=Zone.CLOUD if remote else self._daemon.reach().zone,
            evidence=f"Ollama sends it to {remote}" if remote else "Ollama names no remote host",
            context_limit=facts.context_limit,
            capabilities=facts.capabilities,
            size_bytes=listed.get("size"),
            parameters=details.get("parameter_size") or None,
            quantization=details.get("quantization_level") or None,
            digest=listed.get("digest"),
            system_prompt=facts.system_prompt,
            # Ollama applies the model's other options itself; a limit of ours would replace the
            # model's.
            recommended=Options(max_tokens=facts.own_limit),
        )

    def _refusal(self, status: int, document: Any, question: _AskedQuestion) -> LocalaiError:
        model = question.request.model.id
        return wire.refusal(status, document, model, question.context_tokens)

    def _keep_alive(self, request: ChatRequest) -> float | None:
        if request.keep_alive_s is not None:
            return request.keep_alive_s
        configured = self._config.values["engine.keep_alive"]
        # The daemon has a setting of its own, which only the user's own choice overrides.
        return None if configured.origin == "default" else configured.value


def create(config: Config, paths: Paths) -> Ollama:
    """The provider, as `localai.providers.registry` calls it. Raises InvalidInput."""
    return Ollama(config, Daemon(config, target_of(config, os.environ), paths.cache_dir))


def _held_back(reader: wire.ChunkReader, splitter: ReasoningSplitter) -> Iterator[Event]:
    """The text that was held back as a possible part of a character or a tag, and was none."""
    for event in reader.held_back():
        yield from splitter.feed(event.text) if isinstance(event, TextDelta) else (event,)
    yield from splitter.close()


def _without_own_system(request: ChatRequest, own: str | None) -> ChatRequest:
    """The request without the model's own system prompt. Ollama puts that in front by itself,
    before the model's own messages; one that is sent would come after them."""
    others = request.messages[1:]
    if own is None or not others or request.messages[0] != Message("system", own):
        return request
    return replace(request, messages=others)


def _asked_context(request: ChatRequest) -> int | None:
    return request.context_tokens or request.options.extra.get("num_ctx")


def _host_of(remote: str) -> str:
    """The host, for the ledger, to which Ollama sends a prompt; `remote` is Ollama's word for
    it."""
    try:
        return client_target(remote, 443).host
    except InvalidInput:
        return CLOUD_HOST


def _refuse_images(request: ChatRequest) -> None:
    if any(message.images for message in request.messages):
        raise InvalidInput(f"{request.model.id} cannot look at pictures", command="localai list")


def _gpu_share(entry: Mapping[str, Any] | None) -> str:
    size, on_gpu = (entry or {}).get("size"), (entry or {}).get("size_vram")
    if not size or on_gpu is None:
        return ""
    return f"; {on_gpu / size:.0%} of it is in GPU memory"

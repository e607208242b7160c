"""LM Studio as a provider: its own REST API for models, Chat Completions for the answers.

The server is LM Studio's, its daemon's (llmster) or that of Bionic, an app of its own beside LM
Studio since July 2026. Where an answer was computed is unproven: with LM Link, localhost serves
models of other devices "as if they were loaded locally" (its documentation), Bionic has models of
its makers' cloud too, and nothing in the API says which. LM Studio may also lower a context, or
load with its own. So the loaded context is read back, and a prompt that does not fit is an error,
never a shorter prompt.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from localai.errors import ContextOverflow, LocalaiError, NotFound, Unreachable
from localai.events import Done, Event, Events, Loading, Locality, Process, TextDelta
from localai.near_names import did_you_mean
from localai.net.framing import ServerRefused, server_sent_events
from localai.net.http import JsonServer
from localai.net.reach import Reach, reach
from localai.net.target import Target, client_target
from localai.providers.facts import ProviderFacts
from localai.providers.provider import Provider
from localai.providers.unreadable_answers import reads_a_server
from localai.redaction import remember
from localai.sizing.context import (
    choose_context,
    finish_for_user,
    grown_context,
    guessed_context,
    with_a_limit,
)
from localai.types import ChatRequest, ResolvedModel, ToolCall
from localai.wires import lmstudio as wire
from localai.wires.chat_completions.client import (
    read_stream,
    request_body,
    with_held_schema,
)
from localai.wires.clock import AnswerClock
from localai.wires.limits import limits_of
from localai.wires.lmstudio import Instance, Listed

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths

DEFAULT_PORT = 1234
TOKEN_VARIABLE = "LM_API_TOKEN"
# Loading reads tens of gigabytes on slow disks.
_LOAD_TIMEOUT_S = 1800.0
_LONGEST_TTL_S = 30 * 86400.0

# LM Studio queues requests that it does not compute at once. Its names are not its files'.
FACTS = ProviderFacts(
    title="LM Studio",
    store="lmstudio",
    has_names_of_store=False,
    holds_schemas="grammar",
    takes_think=False,
    template_is_elsewhere="it stands in LM Studio, among the model's settings (Prompt Template)",
)


@reads_a_server
class LmStudio(Provider):
    """The provider `lmstudio`, at `target`. `token` is needed if the server requires one."""

    name = "lmstudio"

    def __init__(self, config: Config, target: Target, token: str | None) -> None:
        self._config = config
        self._target = target
        self._reached: Reach | None = None
        self._has_v1 = True
        self._server = JsonServer(
            "LM Studio",
            target,
            remedy={"command": "lms server start", "check": "server"},
            headers={"Authorization": f"Bearer {token}"} if token else {},
            permit=lambda: self._reach().grant(),
        )

    def models(self) -> list[ResolvedModel]:
        """Every model of LM Studio's that can chat. Raises Unreachable, ProviderRefused,
        PolicyRefused."""
        return [self._described(listed) for listed in self._listed()]

    def resolve(self, name: str) -> ResolvedModel:
        """The model called `name`. Raises NotFound with near names, and what `models` raises."""
        return self._described(self._find(name))

    def stream(self, request: ChatRequest) -> Events:
        """Answer. Raises ContextOverflow, NotFound, ProviderRefused, Unreachable."""
        clock = AnswerClock()
        listed = self._find(request.model.id)
        wanted = _wanted_context(listed, request, self._config["engine.context"])
        while True:
            instance, load_s = yield from self._made_ready(listed, wanted)
            try:
                yield from self._answer(request, instance, clock, load_s)
                return
            except ContextOverflow as overflow:
                larger = None
                if request.context_tokens is None and clock.first is None:
                    larger = grown_context(
                        wanted, overflow.prompt_tokens, request, listed.context_limit
                    )
                was_lowered = (instance.context_tokens or wanted) < wanted
                if larger is None or was_lowered or not self._has_v1:
                    raise
                wanted, listed = larger, replace(listed, instances=(instance,))
            finally:
                if request.keep_alive_s == 0 and load_s is not None:
                    # A model that v1 loaded stays loaded, so we unload it for a keep-alive of zero.
                    with suppress(LocalaiError):
                        self._unload(instance)

    def loaded(self, model: ResolvedModel) -> bool | None:
        """Whether an instance of `model` is in memory; None if the server is too old to say."""
        listed = self._find(model.id)
        return bool(listed.instances) if self._has_v1 else None

    def warm(self, request: ChatRequest) -> None:
        """Have LM Studio load the model with the context that the request needs."""
        listed = self._find(request.model.id)
        wanted = _wanted_context(listed, request, self._config["engine.context"])
        for _ in self._made_ready(listed, wanted):
            pass

    def unload(self, model: ResolvedModel) -> None:
        """Have LM Studio take every instance of `model` out of memory."""
        for instance in self._find(model.id).instances:
            self._unload(instance)

    def run_by(self) -> str | None:
        """Which user of this machine runs the server, as a sentence; None for a server
        elsewhere."""
        run_by = self._reach().run_by()
        return f"LM Studio on {self._target.address}{run_by}" if run_by else None

    def close(self) -> None:
        """Do nothing: each request has a connection of its own."""

    # The model

    def _made_ready(
        self, listed: Listed, wanted: int
    ) -> Generator[Event, None, tuple[Instance, float | None]]:
        """An instance with the wanted context, and how many seconds it took to load; None if it was
        loaded."""
        for instance in listed.instances:
            if instance.context_tokens in (None, wanted):
                return instance, None
        yield Loading(f"LM Studio is loading {listed.id} with a context of {wanted:,} tokens")
        if not self._has_v1:
            # v0 cannot load a model: the question loads it, with LM Studio's own context.
            return Instance(listed.id, None), None
        for instance in listed.instances:
            self._unload(instance)
        body = {"model": listed.id, "context_length": wanted, "echo_load_config": True}
        answered = self._call("POST", "/api/v1/models/load", body, listed.id, _LOAD_TIMEOUT_S)
        loaded = wire.loaded_instance(answered)
        if loaded.context_tokens is not None and loaded.context_tokens < wanted:
            yield Loading(
                f"LM Studio gave {listed.id} a context of {loaded.context_tokens:,} tokens"
                f" instead of {wanted:,}"
            )
        return loaded, answered.get("load_time_seconds")

    def _unload(self, instance: Instance) -> None:
        body = {"instance_id": instance.id}
        self._call("POST", "/api/v1/models/unload", body, instance.id)

    def _answer(
        self, request: ChatRequest, instance: Instance, clock: AnswerClock, load_s: float | None
    ) -> Events:
        # At a full context LM Studio may go on without the beginning of the conversation.
        asked = with_a_limit(request, instance.context_tokens)
        body = {**request_body(with_held_schema(asked)), "model": instance.id}
        if not self._has_v1 and request.keep_alive_s is not None:
            body["ttl"] = max(1, int(min(request.keep_alive_s, _LONGEST_TTL_S)))
        context, said_nothing = instance.context_tokens, True
        limits = clock.limits = limits_of(request, context)
        try:
            with self._server.send(
                "POST", "/v1/chat/completions", body, heard=limits.heard
            ) as sent:
                events = read_stream(
                    server_sent_events(sent.response()),
                    self._locality(),
                    clock,
                    load_s=load_s,
                    context_tokens=context,
                    on_finish=sent.expect_the_end,
                )
                for event in events:
                    said_nothing = said_nothing and not isinstance(event, TextDelta | ToolCall)
                    if isinstance(event, Done):
                        if said_nothing:
                            wire.refuse_silence(event, context)
                        finish = finish_for_user(event.finish_reason, request)
                        event = replace(event, finish_reason=finish)
                    yield event
        except ServerRefused as error:
            raise wire.refusal(error.status, error.document, instance.id, context) from error
        except ValueError as error:
            raise Unreachable(f"LM Studio sent what is not JSON: {error}") from error

    def _evidence(self) -> str:
        where = f"LM Studio on {self._target.address}{self._reach().run_by()}"
        return (
            f"{where} may have another device (LM Link) or Bionic's cloud compute: it does not say"
        )

    def _locality(self) -> Locality:
        return Locality(zone=None, evidence=self._evidence(), process=Process(None, "LM Studio"))

    # What the server says

    def _reach(self) -> Reach:
        if self._reached is None:
            host, port = self._target.host, self._target.port
            self._reached = reach("LM Studio", host, port, self._config, cloud=self.name)
        return self._reached

    def _listed(self) -> list[Listed]:
        """Its models that chat, by v1, or else by v0, which knows no instances and no sizes."""
        found = wire.models_v1(self._list("/api/v1/models"))
        self._has_v1 = found is not None
        if found is None:
            found = wire.models_v0(self._list("/api/v0/models"))
        if found is None:
            raise Unreachable(
                f"what listens at {self._target.address} is not LM Studio 0.3.6 or later",
                command="localai config set lmstudio.host 127.0.0.1:1234",
            )
        return found

    def _list(self, path: str) -> Any:
        try:
            return self._server.call("GET", path)
        except ServerRefused as error:
            if error.status == 404:
                return None
            raise wire.refusal(error.status, error.document, path) from error

    def _find(self, name: str) -> Listed:
        listed = self._listed()
        for model in listed:
            if model.id.lower() == name.lower():
                return model
        # Its ids begin with the maker's name, which few people type.
        meant = did_you_mean(name, [model.id for model in listed], likeness=0.4)
        raise NotFound(f"LM Studio has no model {name!r}", hint=meant, command=("lms", "get", name))

    def _call(
        self, method: str, path: str, body: Any, model: str, timeout_s: float = 30.0
    ) -> dict[str, Any]:
        try:
            document = self._server.call(method, path, body, timeout_s)
        except ServerRefused as error:
            raise wire.refusal(error.status, error.document, model) from error
        if not isinstance(document, dict) or "error" in document:
            raise wire.refusal(200, document, model)
        return document

    def _described(self, listed: Listed) -> ResolvedModel:
        return ResolvedModel(
            provider=self.name,
            id=listed.id,
            zone=None,
            evidence=self._evidence(),
            context_limit=listed.context_limit,
            capabilities=listed.capabilities,
            size_bytes=listed.size_bytes,
            parameters=listed.parameters,
            quantization=listed.quantization,
            loaded=bool(listed.instances),
        )


def create(config: Config, paths: Paths) -> LmStudio:
    """The provider, as `localai.providers.registry` calls it. Raises InvalidInput."""
    target = client_target(config["lmstudio.host"], DEFAULT_PORT, "lmstudio.host")
    token = os.environ.get(TOKEN_VARIABLE)
    return LmStudio(config, target, remember(token) if token else None)


def _wanted_context(listed: Listed, request: ChatRequest, start: int) -> int:
    loaded = max((each.context_tokens or 0 for each in listed.instances), default=None)
    return choose_context(
        asked=request.context_tokens,
        loaded=loaded,
        start=start,
        needed=guessed_context(request),
        limit=listed.context_limit,
    )

"""Ollama as a provider: its native API, spoken directly.

The `ollama` package is not used here: importing it takes 470 ms, in a one-shot that takes 60. The
tests compare with it, and `ollama_models` uses it for rare tasks.

An answer on loopback need not be local: Ollama sends some models' prompts to its cloud, whatever
their names. So a model is looked up immediately before each question. If it is computed elsewhere
and that was not allowed, nothing is sent.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from localai.errors import (
    ContextOverflow,
    InvalidInput,
)
from localai.events import Doubt, Events
from localai.providers.facts import ProviderFacts
from localai.providers.ollama_daemon import Daemon, target_of
from localai.providers.ollama_question import (
    OwnContextTooSmall,
    Question,
    TakesNoLevel,
    refuse_cloud,
)
from localai.providers.provider import Provider
from localai.providers.unreadable_answers import reads_a_server
from localai.sizing.context import (
    choose_context,
    grown_context,
    guessed_context,
)
from localai.types import ChatRequest, Options, ResolvedModel, Zone
from localai.wires.clock import AnswerClock
from localai.wires.ollama.request import think_doubt, wire_think
from localai.wires.think import knows_no_levels

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths


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
        if question.doubt is not None:
            yield Doubt(question.doubt)
        while True:
            try:
                yield from question.ask()
                return
            except OwnContextTooSmall:
                question.tells_context = True
            except TakesNoLevel:
                question.think = True
                if question.doubt is None and request.think is not None:
                    who = self._daemon.version()
                    yield Doubt(knows_no_levels(request.model.id, request.think, who))
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
                question.keep_alive_s,
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

    def _look_up(self, request: ChatRequest) -> Question:
        clock = AnswerClock()
        model = request.model.id
        self._daemon.version()
        facts = self._daemon.facts(self._daemon.find(model))
        refuse_cloud(self._config, model, facts.remote)
        if facts.capabilities is not None and "vision" not in facts.capabilities:
            _refuse_pictures(request)
        loaded = None if facts.remote else (self._daemon.loaded(model) or {}).get("context_length")
        start = facts.makers_context or self._config["engine.context"]
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
        return Question(
            request=request,
            config=self._config,
            daemon=self._daemon,
            clock=clock,
            remote=facts.remote,
            limit=facts.context_limit,
            makers_system=facts.system_prompt,
            think=wire_think(request.think, facts.capabilities, facts.family),
            doubt=think_doubt(
                model,
                request.think,
                facts.capabilities,
                facts.family,
                facts.may_think_off,
                facts.has_levels,
            ),
            context_tokens=context,
            tells_context=_asked_context(request) is not None or not is_own,
            loaded_context=loaded,
        )

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
            recommended=Options(max_tokens=facts.makers_limit),
        )


def create(config: Config, paths: Paths) -> Ollama:
    """The provider, as `localai.providers.registry` calls it. Raises InvalidInput."""
    return Ollama(config, Daemon(config, target_of(config, os.environ), paths.cache_dir))


def _asked_context(request: ChatRequest) -> int | None:
    return request.context_tokens or request.options.extra.get("num_ctx")


def _refuse_pictures(request: ChatRequest) -> None:
    if any(message.pictures for message in request.messages):
        raise InvalidInput(f"ollama/{request.model.id} cannot see pictures", command="localai list")

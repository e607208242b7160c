"""Anthropic through its official SDK: the Messages API, with thinking and prompt caching.

The kinds of thinking, the levels of effort and the longest answer differ from model to model, so
the API is asked for them when a model is resolved. Since the API's version 2026-10-21, which the
SDK speaks from 2.0 on, there is no temperature, top_p or top_k: a request with one of them is
refused here, before anything is sent.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

from localai.errors import NotFound, PolicyRefused
from localai.events import Doubt, Events
from localai.net.reach import Reach
from localai.net.retry import retry_while_busy
from localai.net.target import client_target, split_url
from localai.providers import keys
from localai.providers.destination import Destination
from localai.providers.facts import ProviderFacts
from localai.providers.provider import Provider
from localai.providers.sdk import (
    OTHER_ERRORS,
    broken_off,
    failure_of,
    heard_by,
    http_client,
    no_such_model,
    not_installed,
)
from localai.providers.unreadable_answers import reads_a_server
from localai.types import ChatRequest, Purpose, ResolvedModel
from localai.wires.anthropic import client as wire
from localai.wires.anthropic.thinking import level_doubt, longest_answer
from localai.wires.clock import AnswerClock
from localai.wires.limits import limits_of

if TYPE_CHECKING:
    import anthropic
    from anthropic.types import ModelInfo

    from localai.config import Config
    from localai.paths import Paths

_HOST = "api.anthropic.com"
_LONGEST_PAGE = 1000
_KEY_VARIABLE = "ANTHROPIC_API_KEY"
_KEY_REMEDY = keys.remedy("anthropic", _KEY_VARIABLE)

FACTS = ProviderFacts(
    title="Anthropic",
    computes="elsewhere",
    price_list="anthropic",
    holds_schemas="anthropic",
    keeps_special_tokens_as_text=True,
    template_is_elsewhere="a cloud's models are asked in its own way",
    budgets_thinking=True,
)


@reads_a_server
class Anthropic(Provider):
    """The provider `anthropic`."""

    name = "anthropic"

    def __init__(self, config: Config, destination: Destination, *, key: Callable[[], str]) -> None:
        """`key` returns the key; it is called when a client is opened."""
        self._config = config
        self._to = destination
        self._key = key
        self._opened: anthropic.Anthropic | None = None
        self._opening = Lock()
        self._facts: dict[str, ModelInfo] = {}

    def destination(self, model: ResolvedModel) -> str | None:
        """The host that the prompt goes to; None if it stays on this machine."""
        return self._to.label(self._config)

    def models(self) -> list[ResolvedModel]:
        """Every model that the account may use.

        Asks the server: raises PolicyRefused without consent, ProviderRefused without a key.
        """
        client = self._client()
        try:
            with self._to.reach(self._config).grant(Purpose.PROBE):
                return [self._model(model) for model in client.models.list(limit=_LONGEST_PAGE)]
        except self._errors() as error:
            raise broken_off(error, self._to.host, _KEY_REMEDY) from error

    def resolve(self, name: str) -> ResolvedModel:
        """The model or alias called `name`. The server is asked for it; no prompt is sent.

        Raises NotFound, and what `models` raises.
        """
        found = self._retrieve(name)
        if found is not None:
            self._facts[found.id] = found
            return self._model(found)
        known = {model.id: model for model in self.models()}
        if name in known:
            return known[name]
        raise no_such_model(self.name, name, known)

    def stream(self, request: ChatRequest) -> Events:
        """Answer. Raises PolicyRefused before anything is sent, ProviderRefused for the key, the
        quota or an option that it does not take, InvalidInput, ContextOverflow, Unreachable."""
        reached = self._to.reach(self._config)
        info = self._facts.get(request.model.id)
        longest = request.options.max_tokens or longest_answer(info)
        body = wire.request_body(request, longest, info)
        if (doubt := level_doubt(request, info)) is not None:
            yield Doubt(doubt)
        clock = AnswerClock(limits_of(request, hides_reasoning=True), streams_reasoning=False)
        events = yield from retry_while_busy(lambda: self._send(body, reached, clock.limits.heard))
        try:
            locality = self._to.locality(reached)
            yield from wire.read_events(events, locality, clock, self._to.host)
        except self._errors() as error:
            raise broken_off(error, self._to.host, _KEY_REMEDY) from error
        finally:
            # The server stops computing when the connection is closed.
            events.close()

    def close(self) -> None:
        """Release the SDK's client."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _retrieve(self, name: str) -> ModelInfo | None:
        client = self._client()
        try:
            with self._to.reach(self._config).grant(Purpose.PROBE):
                return client.models.retrieve(name)
        except self._errors() as error:
            found = broken_off(error, self._to.host, _KEY_REMEDY)
            if isinstance(found, NotFound):
                return None
            raise found from error

    def _send(
        self, body: dict[str, Any], reached: Reach, heard: Callable[[int], None]
    ) -> anthropic.Stream[Any]:
        client = self._client()
        try:
            with reached.grant(), heard_by(heard):
                events: anthropic.Stream[Any] = client.messages.create(**body)
                return events
        except self._errors() as error:
            raise failure_of(error, self._to.host, _KEY_REMEDY) from error

    def _client(self) -> anthropic.Anthropic:
        self._to.require_consent(self._config)
        # A batch asks from many threads; a second client would never be closed.
        with self._opening:
            if self._opened is None:
                self._opened = self._open_client()
            return self._opened

    def _open_client(self) -> anthropic.Anthropic:
        try:
            import anthropic
        except ImportError as error:
            raise not_installed("anthropic") from error
        # Address and key are always passed, so that no variable and no profile on disk redirects a
        # prompt. Nothing is traced.
        return anthropic.Anthropic(
            base_url=self._to.target.url,
            api_key=self._key(),
            max_retries=0,
            open_telemetry=False,
            http_client=http_client(self._to.proxy(self._config)),
        )

    def _errors(self) -> tuple[type[Exception], ...]:
        import anthropic
        import httpx2

        return (anthropic.AnthropicError, httpx2.HTTPError, *OTHER_ERRORS)

    def _model(self, info: ModelInfo) -> ResolvedModel:
        return ResolvedModel(
            provider=self.name,
            id=info.id,
            zone=self._to.bound(self._config),
            evidence=f"{self._to.host} computes it",
            context_limit=getattr(info, "max_input_tokens", None),
            capabilities=wire.capabilities(info),
        )


def create(config: Config, paths: Paths) -> Anthropic:
    """The provider, as `localai.providers.registry` calls it.

    Raises PolicyRefused if ANTHROPIC_BASE_URL names a server that is not Anthropic's.
    """
    given = os.environ.get("ANTHROPIC_BASE_URL", "").strip()
    parts = split_url(given, "ANTHROPIC_BASE_URL")
    if given and (parts.scheme, parts.hostname) != ("https", _HOST):
        # The user may expect either server, so the prompt goes to neither.
        raise PolicyRefused(
            f"ANTHROPIC_BASE_URL names {parts.hostname or given}, and `anthropic` is {_HOST} only",
            command="unset ANTHROPIC_BASE_URL",
        )
    return Anthropic(
        config,
        Destination("anthropic", client_target(f"https://{_HOST}", 443), "anthropic"),
        key=lambda: keys.require_key("anthropic", _KEY_VARIABLE).secret,
    )

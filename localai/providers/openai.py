"""OpenAI through its official SDK: the Responses API, with nothing stored on the other side.

Also for a server of the user's own that speaks the Responses API (`api = "responses"`). The whole
conversation is sent with each question, and a prompt that is too long is an error (`truncation:
disabled`), never cut.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any

from localai.errors import PolicyRefused, Remedy
from localai.events import Events
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
from localai.wires.clock import AnswerClock
from localai.wires.limits import limits_of
from localai.wires.responses import client as wire

if TYPE_CHECKING:
    import openai

    from localai.config import Config
    from localai.paths import Paths

_URL = "https://api.openai.com/v1"
_KEY_VARIABLE = "OPENAI_API_KEY"

# OpenAI limits requests as well as tokens, and answers eight at once.
FACTS = ProviderFacts(
    title="OpenAI",
    computes="elsewhere",
    price_list="openai",
    concurrency=8,
    holds_schemas="openai",
    keeps_special_tokens_as_text=True,
    template_is_elsewhere="a cloud's models are asked in its own way",
)


@reads_a_server
class OpenAI(Provider):
    """The provider `openai`, or another server that speaks its Responses API."""

    def __init__(
        self,
        config: Config,
        destination: Destination,
        *,
        key: Callable[[], str],
        key_remedy: Remedy,
        name: str = "openai",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`key` returns the key, and is called when a client is opened; `key_remedy` says how to
        set one."""
        self.name = name
        self._config = config
        self._to = destination
        self._key = key
        self._key_remedy = key_remedy
        self._headers = headers
        self._opened: openai.OpenAI | None = None
        self._opening = Lock()

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
                return [self._model(model.id) for model in client.models.list()]
        except self._errors() as error:
            raise broken_off(error, self._to.host, self._key_remedy) from error

    def resolve(self, name: str) -> ResolvedModel:
        """The model called `name`. The server is asked for it; no prompt is sent.

        Raises NotFound, and what `models` raises.
        """
        known = {model.id: model for model in self.models()}
        if name in known:
            return known[name]
        raise no_such_model(self.name, name, known)

    def stream(self, request: ChatRequest) -> Events:
        """Answer. Raises PolicyRefused before anything is sent, ProviderRefused for the key, the
        quota, the content or an option that it does not take, ContextOverflow, Unreachable."""
        reached = self._to.reach(self._config)
        body = wire.request_body(request, self.name)
        clock = AnswerClock(limits_of(request, hides_reasoning=True), streams_reasoning=False)
        events = yield from retry_while_busy(lambda: self._send(body, reached, clock.limits.heard))
        try:
            locality = self._to.locality(reached)
            yield from wire.read_events(events, locality, clock, self._to.host)
        except self._errors() as error:
            raise broken_off(error, self._to.host, self._key_remedy) from error
        finally:
            # The server stops computing when the connection is closed.
            events.close()

    def close(self) -> None:
        """Release the SDK's client."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _send(
        self, body: dict[str, Any], reached: Reach, heard: Callable[[int], None]
    ) -> openai.Stream[Any]:
        client = self._client()
        try:
            with reached.grant(), heard_by(heard):
                events: openai.Stream[Any] = client.responses.create(**body)
                return events
        except self._errors() as error:
            raise failure_of(error, self._to.host, self._key_remedy) from error

    def _client(self) -> openai.OpenAI:
        self._to.require_consent(self._config)
        # A batch asks from many threads; a second client would never be closed.
        with self._opening:
            if self._opened is None:
                self._opened = self._open_client()
            return self._opened

    def _open_client(self) -> openai.OpenAI:
        try:
            import openai
        except ImportError as error:
            raise not_installed("openai") from error
        # Address and key are always passed: OPENAI_BASE_URL must not redirect a prompt.
        return openai.OpenAI(
            base_url=self._to.target.url,
            api_key=self._key(),
            default_headers=self._headers,
            max_retries=0,
            http_client=http_client(self._to.proxy(self._config)),
        )

    def _errors(self) -> tuple[type[Exception], ...]:
        import httpx2
        import openai

        return (openai.OpenAIError, httpx2.HTTPError, *OTHER_ERRORS)

    def _model(self, identifier: str) -> ResolvedModel:
        return ResolvedModel(
            provider=self.name,
            id=identifier,
            zone=self._to.bound(self._config),
            evidence=f"{self._to.host} computes it",
        )


def create(config: Config, paths: Paths) -> OpenAI:
    """The provider, as `localai.providers.registry` calls it.

    Raises PolicyRefused if OPENAI_BASE_URL names a server that is not OpenAI's.
    """
    return OpenAI(
        config,
        Destination("openai", client_target(_official_url(), 443), "openai"),
        key=lambda: keys.require_key("openai", _KEY_VARIABLE).secret,
        key_remedy=keys.remedy("openai", _KEY_VARIABLE),
    )


def _official_url() -> str:
    given = os.environ.get("OPENAI_BASE_URL", "").strip()
    if not given:
        return _URL
    parts = split_url(given, "OPENAI_BASE_URL")
    host = parts.hostname or ""
    # Regional addresses, such as eu.api.openai.com, are OpenAI's as well.
    if parts.scheme == "https" and (host == "api.openai.com" or host.endswith(".api.openai.com")):
        return given.rstrip("/")
    # The user may expect either server, so the prompt goes to neither.
    raise PolicyRefused(
        f"OPENAI_BASE_URL names {host or given}, and `openai` is api.openai.com only",
        hint="or make that server an [endpoint.NAME] of the config",
        command="unset OPENAI_BASE_URL",
    )

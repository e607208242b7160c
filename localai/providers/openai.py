"""OpenAI through its official SDK: the Responses API, with nothing stored on the other side.

Also for a server of the user's own that speaks the Responses API (`api = "responses"`). The whole
conversation is sent with each question, and a prompt that is too long is an error (`truncation:
disabled`), never cut.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from localai.errors import PolicyRefused, Remedy
from localai.events import Events
from localai.net.target import client_target, split_url
from localai.providers import keys
from localai.providers.destination import Destination
from localai.providers.facts import ProviderFacts
from localai.providers.sdk import http_client, no_such_model
from localai.providers.sdk_provider import SdkProvider
from localai.providers.unreadable_answers import reads_a_server
from localai.types import ChatRequest, ResolvedModel
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
class OpenAI(SdkProvider["openai.OpenAI"]):
    """The provider `openai`, or another server that speaks its Responses API."""

    package = "openai"

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
        super().__init__(config, destination, key=key, key_remedy=key_remedy)
        self.name = name
        self._headers = headers

    def models(self) -> list[ResolvedModel]:
        """Every model that the account may use.

        Asks the server: raises PolicyRefused without consent, ProviderRefused without a key.
        """
        with self._asking_for_models() as client:
            return [self._model(model.id) for model in client.models.list()]

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
        reached = self._reach()
        body = wire.request_body(request, self.name)
        yield from self._answer(
            request, reached, lambda client: client.responses.create(**body), wire.read_events
        )

    def _open_client(self) -> openai.OpenAI:
        import openai

        # Address and key are always passed: OPENAI_BASE_URL must not redirect a prompt.
        return openai.OpenAI(
            base_url=self._to.target.url,
            api_key=self._key(),
            default_headers=self._headers,
            max_retries=0,
            http_client=http_client(self._to.proxy(self._config)),
        )

    def _sdk_error(self) -> type[Exception]:
        import openai

        return openai.OpenAIError

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

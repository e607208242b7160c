"""Anthropic through its official SDK: the Messages API, with thinking and prompt caching.

The kinds of thinking, the levels of effort and the longest answer differ from model to model, so
the API is asked for them when a model is resolved. Since the API's version 2026-10-21, which the
SDK speaks from 2.0 on, there is no temperature, top_p or top_k: a request with one of them is
refused here, before anything is sent.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from localai.errors import NotFound, PolicyRefused
from localai.events import Doubt, Events
from localai.net.target import client_target, split_url
from localai.providers import keys
from localai.providers.destination import Destination
from localai.providers.facts import ProviderFacts
from localai.providers.sdk import http_client, no_such_model
from localai.providers.sdk_provider import SdkProvider
from localai.providers.unreadable_answers import reads_a_server
from localai.types import ChatRequest, ResolvedModel
from localai.wires.anthropic import client as wire
from localai.wires.anthropic.thinking import level_doubt, longest_answer

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
class Anthropic(SdkProvider["anthropic.Anthropic"]):
    """The provider `anthropic`."""

    name = "anthropic"

    package = "anthropic"

    def __init__(self, config: Config, destination: Destination, *, key: Callable[[], str]) -> None:
        super().__init__(config, destination, key=key, key_remedy=_KEY_REMEDY)
        self._facts: dict[str, ModelInfo] = {}

    def models(self) -> list[ResolvedModel]:
        """Every model that the account may use.

        Asks the server: raises PolicyRefused without consent, ProviderRefused without a key.
        """
        with self._asking_for_models() as client:
            return [self._model(model) for model in client.models.list(limit=_LONGEST_PAGE)]

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
        reached = self._reach()
        info = self._facts.get(request.model.id)
        longest = request.options.max_tokens or longest_answer(info)
        body = wire.request_body(request, longest, info)
        if (doubt := level_doubt(request, info)) is not None:
            yield Doubt(doubt)
        yield from self._answer(
            request, reached, lambda client: client.messages.create(**body), wire.read_events
        )

    def _retrieve(self, name: str) -> ModelInfo | None:
        try:
            with self._asking_for_models() as client:
                return client.models.retrieve(name)
        except NotFound:
            return None

    def _open_client(self) -> anthropic.Anthropic:
        import anthropic

        # Address and key are always passed, so that no variable and no profile on disk redirects a
        # prompt. Nothing is traced.
        return anthropic.Anthropic(
            base_url=self._to.target.url,
            api_key=self._key(),
            max_retries=0,
            open_telemetry=False,
            http_client=http_client(self._to.proxy(self._config)),
        )

    def _sdk_error(self) -> type[Exception]:
        import anthropic

        return anthropic.AnthropicError

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

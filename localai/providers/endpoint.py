"""A server of the user's own, named in the config: llama-server, vLLM, SGLang, Ray Serve, a proxy.

Speaks Chat Completions over the standard library's HTTP, so that a one-shot to a server on this
machine needs no SDK. For a server that speaks the Responses API (`api = "responses"`), the provider
`openai` is used instead. The zone is that of the address, whatever the name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from localai.errors import LocalaiError, NotFound, Unreachable
from localai.events import Events
from localai.net.framing import ServerRefused, server_sent_events
from localai.net.http import JsonServer, SentRequest
from localai.net.reach import Reach
from localai.net.retry import Busy, retry_while_busy
from localai.net.target import client_target
from localai.providers import keys
from localai.providers.destination import Destination
from localai.providers.facts import ProviderFacts
from localai.providers.provider import Provider
from localai.providers.unreadable_answers import reads_a_server
from localai.types import ChatRequest, Purpose, ResolvedModel, Zone
from localai.wires.chat_completions.client import (
    LLAMA_SERVER_MEASURED,
    read_stream,
    request_body,
)
from localai.wires.clock import AnswerClock
from localai.wires.limits import limits_of
from localai.wires.refusals import ServerWords, failure, final_error, refused_schema

if TYPE_CHECKING:
    from localai.config import Config, Endpoint

# A number of requests that suits a server that batches: llama-server with slots, vLLM, SGLang.
_CONCURRENCY = 8
# The longest silence before a piece of an answer, also the first: a cold server may load a model
# before.
_LONGEST_SILENCE_S = 600.0


@reads_a_server
class OwnServer(Provider):
    """The provider of one `[endpoint.NAME]` that speaks Chat Completions."""

    def __init__(self, endpoint: Endpoint, config: Config) -> None:
        self.name = endpoint.name
        self._endpoint = endpoint
        self._config = config
        self._to = _destination(endpoint)

    def destination(self, model: ResolvedModel) -> str | None:
        """The host that the prompt goes to; None if it stays on this machine."""
        return self._to.label(self._config)

    def models(self) -> list[ResolvedModel]:
        """The models that the server's `/models` lists. Raises PolicyRefused, Unreachable,
        ProviderRefused."""
        server, reached = self._server(Purpose.PROBE)
        try:
            document = server.call("GET", "/models")
        except ServerRefused as refused:
            raise final_error(self._failure(refused)) from refused
        locality = self._to.locality(reached)
        try:
            return [
                ResolvedModel(
                    provider=self.name,
                    id=entry["id"],
                    zone=reached.zone,
                    evidence=locality.evidence,
                    context_limit=self._endpoint.context or _context_limit(entry),
                )
                for entry in document["data"]
            ]
        except (KeyError, TypeError) as error:
            raise Unreachable(
                f"{self._to.target.url}/models is not a list of models",
                hint="for most servers the url of an endpoint ends with /v1",
            ) from error

    def resolve(self, name: str) -> ResolvedModel:
        """The model called `name`. The server is asked for it; no prompt is sent.

        Raises NotFound, and what `models` raises.
        """
        known = {model.id: model for model in self.models()}
        if name not in known:
            raise NotFound(
                f"{self._to.who} has no model {name!r}",
                hint="it has: " + (", ".join(list(known)[:5]) or "none"),
            )
        return known[name]

    def stream(self, request: ChatRequest) -> Events:
        """Answer. Raises PolicyRefused before anything is sent, ProviderRefused, NotFound,
        ContextOverflow, Unreachable."""
        server, reached = self._server(Purpose.INFERENCE)
        body = _body(request)
        clock = AnswerClock(limits_of(request))
        with ExitStack() as connection:
            # Leaving the block closes the connection, and the server stops computing.
            sent = yield from retry_while_busy(
                lambda: self._send(server, body, connection, clock.limits.heard)
            )
            try:
                yield from read_stream(
                    server_sent_events(sent.response()),
                    self._to.locality(reached),
                    clock,
                    context_tokens=self._endpoint.context,
                    on_finish=sent.expect_the_end,
                )
            except ServerRefused as refused:
                found = failure(self._to.who, refused.status, refused.error, {})
                raise final_error(found) from refused
            except ValueError as error:
                raise Unreachable(f"{self._to.who} sent what is not JSON: {error}") from error

    def close(self) -> None:
        """Do nothing: a connection lasts one request."""

    def _server(self, purpose: Purpose) -> tuple[JsonServer, Reach]:
        """The server, and the permission to reach it now."""
        reached = self._to.reach(self._config)
        server = JsonServer(
            self._to.who,
            self._to.target,
            remedy={
                "hint": f"start it, or correct [endpoint.{self.name}] in {self._config.file}",
                "check": "own-server-down",
            },
            headers=self._headers(),
            permit=lambda: reached.grant(purpose),
            proxy=self._to.proxy(self._config),
        )
        return server, reached

    def _send(
        self,
        server: JsonServer,
        body: dict[str, Any],
        connection: ExitStack,
        heard: Callable[[int], None],
    ) -> SentRequest:
        """Send the question and wait for the head of its answer. Raises `Busy`, our own errors."""
        connection.close()
        try:
            sent = connection.enter_context(
                server.send("POST", "/chat/completions", body, _LONGEST_SILENCE_S, heard)
            )
            sent.response()
            return sent
        except ServerRefused as refused:
            if _knows_no_counts(refused) and "stream_options" in body:
                without = {name: each for name, each in body.items() if name != "stream_options"}
                return self._send(server, without, connection, heard)
            raise self._failure(refused) from refused

    def _headers(self) -> Mapping[str, str]:
        key = _key(self._endpoint, self._config)
        authorization = {} if key is None else {"Authorization": f"Bearer {key.secret}"}
        return {**authorization, **self._endpoint.headers}

    def _failure(self, refused: ServerRefused) -> LocalaiError | Busy:
        if refused.status < 400:
            return Unreachable(
                f"{self._to.who} redirects to {refused.headers.get('location')}",
                hint="put the final address into the config",
            )
        key_remedy = keys.remedy(self._to.consent, self._endpoint.key_env)
        return failure(
            self._to.who,
            refused.status,
            refused.error,
            refused.headers,
            words=ServerWords((refused_schema(self._to.who),)),
            key_remedy=key_remedy,
        )


def endpoint_facts(endpoint: Endpoint) -> ProviderFacts:
    """The facts of a server of the user's own. Nothing that it does with a prompt is proven: one on
    loopback may pass the prompt to a cloud that charges for it."""
    return ProviderFacts(
        title=f"the endpoint {endpoint.name}",
        concurrency=endpoint.concurrency or _CONCURRENCY,
        template_is_elsewhere=(
            "its server has it (llama-server --chat-template-file, vllm serve --chat-template)"
        ),
        when_measured={} if endpoint.api == "responses" else LLAMA_SERVER_MEASURED,
    )


def open_endpoint(endpoint: Endpoint, config: Config) -> Provider:
    """The provider of `endpoint`. Raises InvalidInput for a malformed URL."""
    if endpoint.api == "responses":
        from localai.providers.openai import OpenAI

        return OpenAI(
            config,
            _destination(endpoint),
            name=endpoint.name,
            # The SDK needs some key; the user's own server may not.
            key=lambda: key.secret if (key := _key(endpoint, config)) else "none",
            key_remedy=keys.remedy(_consent(endpoint), endpoint.key_env),
            headers=endpoint.headers,
        )
    return OwnServer(endpoint, config)


def endpoint_zone(endpoint: Endpoint, config: Config) -> Zone:
    """The farthest zone that it may be in, without a look-up. Raises InvalidInput for a malformed
    URL."""
    return _destination(endpoint).bound(config)


def _destination(endpoint: Endpoint) -> Destination:
    target = client_target(endpoint.url, 80, f"the url of [endpoint.{endpoint.name}]")
    return Destination(f"the endpoint {endpoint.name}", target, _consent(endpoint))


def _consent(endpoint: Endpoint) -> str:
    return f"endpoint:{endpoint.name}"


def _key(endpoint: Endpoint, config: Config) -> keys.Key | None:
    if endpoint.key_env is None and _destination(endpoint).bound(config) is Zone.DEVICE:
        # Most servers have no key, and asking the keyring would double a one-shot's start-up.
        return None
    return keys.get_key(_consent(endpoint), endpoint.key_env)


def _body(request: ChatRequest) -> dict[str, Any]:
    body = request_body(request)
    if request.think is not None:
        # vLLM, SGLang and llama-server pass these to the chat template.
        body["chat_template_kwargs"] = {"enable_thinking": request.think != "off"}
        if request.think in ("low", "medium", "high"):
            body["reasoning_effort"] = request.think
    return body


def _knows_no_counts(refused: ServerRefused) -> bool:
    """Whether the server refuses the field that asks for token counts in a stream, as older ones
    do: an answer without counts is better than none."""
    return refused.status in (400, 422) and "stream_options" in str(refused.document)


def _context_limit(entry: dict[str, Any]) -> int | None:
    """The context limit that the server states for a model: vLLM's and SGLang's field, or
    llama-server's."""
    meta = entry.get("meta")
    limit = entry.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else None)
    return limit if isinstance(limit, int) else None

"""Other servers of models: LM Studio, the servers of the configuration, and all that listen
openly."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localai.doctor.capture.context import Context
from localai.doctor.capture.http import ask
from localai.doctor.facts.servers import Listener, LmStudioFacts, OwnServerFacts
from localai.doctor.ports import SERVERS
from localai.errors import InvalidInput
from localai.hardware.readers import ask_program
from localai.net.listener import Listening, all_listening, listening_pid
from localai.net.target import client_target
from localai.parallel import in_threads
from localai.privacy.zones import zone_of_host
from localai.stores.folders import lmstudio_homes

if TYPE_CHECKING:
    from localai.config.reading import Endpoint

_PROGRAMS: Final = (
    "ollama",
    "LM Studio",
    "Bionic",
    "bionic",
    "llmster",
    "lms",
    "llama-server",
    "rpc-server",
    "docker-proxy",
    "vllm",
)
_LMSTUDIO_PORT: Final = 1234
# What a tool that knows no LM Link, or one that nobody is logged in to, says instead.
_NOT_LINKED: Final = ("unknown command", "not logged in", "disabled")


def lmstudio(context: Context) -> LmStudioFacts:
    """LM Studio here. It is asked without a key."""
    folder = next((each for each in lmstudio_homes(context.home) if each.is_dir()), None)
    installed = folder is not None
    runtimes: tuple[str, ...] | None = None
    if folder is not None:
        backends = folder / "extensions" / "backends"
        runtimes = (
            tuple(sorted(each.name for each in backends.iterdir() if each.is_dir()))
            if backends.is_dir()
            else ()
        )
    try:
        target = client_target(context.config["lmstudio.host"], _LMSTUDIO_PORT, "lmstudio.host")
    except InvalidInput:
        return LmStudioFacts(installed=installed, state="no_address", runtimes=runtimes)
    trusted = tuple(context.config["network.users"])
    reply = ask(target.host, target.port, "/api/v0/models", trusted=trusted)
    document = reply.document if isinstance(reply.document, Mapping) else {}
    error = document.get("error")
    wanted = reply.status == 401
    models = document.get("data")
    return LmStudioFacts(
        installed=installed,
        address=target.address,
        state=reply.state,
        token_wanted=wanted if reply.state == "answers" else None,
        error_in_answer=str(error)[:200] if error and not wanted and reply.status == 200 else "",
        runtimes=runtimes,
        linked=_linked(folder) if reply.state == "answers" else None,
        models=len(models) if isinstance(models, list) else None,
    )


def _linked(folder: Path | None) -> bool | None:
    """Whether LM Link connects LM Studio with other devices; None if its tool does not say.

    The tool is asked only if LM Studio is running, because the tool would start it.
    """
    if folder is None:
        return False
    tool = folder / "bin" / "lms"
    program = str(tool) if tool.exists() else "lms"
    answer = ask_program(program, "link", "status", "--json", limit_s=1.5)
    return read_link_status(answer.output) if answer.status is not None else None


def read_link_status(text: str) -> bool | None:
    """Whether LM Link is on, by what `lms link status --json` says; None for unknown words.

    It is on as soon as nothing hinders it (`issues`: deviceDisabled, notLoggedIn, noAccess,
    badVersion), also while it looks for a connection. What is no JSON is an older tool's refusal.
    """
    try:
        status = json.loads(text)
    except (ValueError, RecursionError):
        return False if any(words in text.lower() for words in _NOT_LINKED) else None
    if not isinstance(status, dict) or not isinstance(status.get("issues"), list):
        return None
    return not status["issues"] and status.get("status") != "stopping"


def own_servers(context: Context) -> tuple[OwnServerFacts, ...]:
    """The servers of the configuration, all asked at once. Servers on other machines are not
    asked."""
    endpoints = context.config.endpoints.items()
    return tuple(in_threads(lambda each: _own_server(context, *each), endpoints))


def _own_server(context: Context, name: str, endpoint: Endpoint) -> OwnServerFacts:
    key = endpoint.key_env
    found = OwnServerFacts(
        name=name,
        state="no_address",
        error="",
        key_variable=key or "",
        key_set=None if key is None else bool(context.environ.get(key)),
    )
    try:
        target = client_target(endpoint.url, 80, name)
    except InvalidInput as error:
        return replace(found, error=error.message)
    zone = zone_of_host(target.host)
    trusted = tuple(context.config["network.users"])
    return replace(
        found,
        host=target.host,
        port=target.port,
        zone=None if zone is None else zone.label,
        # A server that answers 404 or HTML listens, too.
        state=ask(target.host, target.port, f"{target.path}/models", trusted=trusted).state,
    )


def listeners(context: Context) -> tuple[Listener, ...]:
    """The listeners on the usual ports, and on those of the configuration."""
    wanted = {*SERVERS, *(_ports_of_endpoints(context))}
    found = {(each.address, each.port): each for each in all_listening() if each.port in wanted}
    return tuple(_listener(each) for _, each in sorted(found.items(), key=lambda pair: pair[0][1]))


def _ports_of_endpoints(context: Context) -> Iterator[int]:
    for endpoint in context.config.endpoints.values():
        try:
            yield client_target(endpoint.url, 80).port
        except InvalidInput:
            continue


def _listener(each: Listening) -> Listener:
    keyless = None
    if each.is_open:
        # Only servers of models answer this. A server that answers without a key needs none.
        path = "/api/version" if each.port == 11434 else "/v1/models"
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(each.address, each.address)
        reply = ask(host, each.port, path, trusted=(each.user,))
        document = reply.document
        is_models = isinstance(document, Mapping) and ("version" in document or "data" in document)
        if reply.state not in ("elsewhere", "silent"):
            keyless = reply.state == "answers" and reply.status == 200 and is_models
    return Listener(
        port=each.port,
        address=each.address,
        open=each.is_open,
        user=each.user,
        program=_program(each.port),
        keyless=keyless,
    )


def _program(port: int) -> str:
    """The usual program that listens there; "" if it is none of them, or cannot be seen."""
    return next((name for name in _PROGRAMS if listening_pid(port, name) is not None), "")

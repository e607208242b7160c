"""What may leave this machine, and what on it could connect: facts for `localai privacy`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from localai.dataclass import dataclass
from localai.engine.lifecycle import workers
from localai.errors import LocalaiError
from localai.privacy.environment import keys_present, proxies_removed
from localai.providers.endpoint import endpoint_zone
from localai.providers.registry import declared_facts, provider_names
from localai.types import Zone
from localai.units import bytes_text

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths
    from localai.providers.pool import ProviderPool


@dataclass(frozen=True, slots=True)
class Channel:
    """Something that could talk to another machine.

    `state`: held (something keeps it from doing so), open (it can), unknown.
    """

    what: str
    state: Literal["held", "open", "unknown"]
    detail: str


def policy(config: Config, pictures_bytes: int) -> dict[str, str]:
    """The rules in force, each with its setting's value in words. `pictures_bytes` is what the
    pictures of all conversations take."""
    allowed = ", ".join(config["cloud.allow"])
    return {
        "prompts to clouds": f"only to {allowed} (cloud.allow)" if allowed else "never",
        "when the local model fails": (
            f"{config['cloud.fallback']} answers, announced (cloud.fallback)"
            if config["cloud.fallback"]
            else "an error; no cloud steps in"
        ),
        "local network": ", ".join(config["network.lan"]) or "not used",
        "servers of other users here": ", ".join(config["network.users"]) or "not used",
        "downloads": "only by `pull`, from the host it names",
        "proxy": config["network.proxy"] or "none; those in the environment are not used",
        "telemetry, update checks": "none; switched off in what localai starts, too",
        "conversations": ("kept on this machine only" if config["history.record"] else "not kept"),
        "their pictures": (
            f"{bytes_text(pictures_bytes)} are kept with them, of at most"
            f" {bytes_text(config['history.pictures'])} (history.pictures)"
        ),
    }


def findings(config: Config, paths: Paths, providers: ProviderPool) -> list[Channel]:
    """Everything known on this machine that could send a prompt elsewhere."""
    return [
        *_workers(paths),
        *_keys(),
        *_proxies(),
        *_endpoints(config),
        *_models_of_servers(config, providers),
    ]


def _workers(paths: Paths) -> Iterator[Channel]:
    for _, info in workers(paths):
        yield Channel(
            f"embedded engine, process {info.pid}",
            "held" if info.network_denied else "open",
            info.denial,
        )


def _keys() -> Iterator[Channel]:
    for name in keys_present():
        yield Channel(
            f"{name} in the environment", "held", "a key is no permission: cloud.allow decides"
        )


def _proxies() -> Iterator[Channel]:
    for name in proxies_removed():
        yield Channel(
            f"{name} in the environment", "held", "not used: network.proxy would name one"
        )


def _endpoints(config: Config) -> Iterator[Channel]:
    """The user's own servers, which are not asked anything here."""
    for name, endpoint in config.endpoints.items():
        try:
            zone = endpoint_zone(endpoint, config)
        except LocalaiError as error:
            yield Channel(f"endpoint {name}", "held", error.message)
            continue
        allowed = zone is not Zone.CLOUD or f"endpoint:{name}" in config["cloud.allow"]
        yield Channel(
            f"endpoint {name}",
            "open" if allowed else "held",
            f"{endpoint.url} ({zone.label})"
            + ("; what it does with a prompt is its own" if allowed else ": cloud.allow decides"),
        )


def _models_of_servers(config: Config, providers: ProviderPool) -> Iterator[Channel]:
    for name in provider_names(config):
        if name in config.endpoints:
            continue
        facts = declared_facts(name)
        if facts.runs_here() and facts.computes in ("by_model", "unproven"):
            yield from _served_models(name, config, providers)


def _served_models(name: str, config: Config, providers: ProviderPool) -> Iterator[Channel]:
    """The models of a server that may be computed elsewhere than the server listens."""
    try:
        provider = providers.provider(name, config)
        models = provider.models()
        run_by = provider.run_by()
        asks = provider.asks_its_makers()
    except LocalaiError as error:
        yield Channel(name, "held", f"does not answer: {error.message}")
        return
    if run_by is not None:
        yield Channel(name, "held", f"{run_by}: a user who is trusted")
    if asks is not False:
        yield Channel(
            f"{name} itself",
            "open" if asks else "unknown",
            "it asks its makers for news at each start, and never with OLLAMA_NO_CLOUD=1 in its"
            " environment: systemctl edit ollama, or launchctl setenv OLLAMA_NO_CLOUD 1",
        )
    for model in models:
        if model.zone is None:
            yield Channel(f"{name}/{model.id}", "unknown", model.evidence)
        elif model.zone is not Zone.DEVICE:
            allowed = name in config["cloud.allow"]
            yield Channel(f"{name}/{model.id}", "open" if allowed else "held", model.evidence)

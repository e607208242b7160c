"""A prompt that leaves this machine: the announcement before it does, and the configured fallback.

The provider and the guard decide whether it may leave. This module permits nothing by itself:
`cloud.fallback` and `--allow-cloud` are the user's permission for the provider that they name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from localai.chat.select import SelectedModel, parse_ref, select_model
from localai.dataclass import dataclass
from localai.errors import LocalaiError, Unreachable
from localai.providers.registry import (
    facts_of,
    name_in_cloud_allow,
    provider_names,
    provider_that_opens,
)
from localai.types import Zone

if TYPE_CHECKING:
    from localai.config import Config
    from localai.providers.pool import ProviderPool


@dataclass(frozen=True, slots=True)
class Fallback:
    """The model of `cloud.fallback`, and the configuration under which it may be asked."""

    selected: SelectedModel
    config: Config


def allow_every_cloud(config: Config) -> Config:
    """The configuration for one run with `--allow-cloud`: any provider that is named may be
    asked."""
    names = provider_names(config)
    return config.with_flags(cloud__allow=tuple(name_in_cloud_allow(n, config) for n in names))


def select_or_fall_back(
    text: str | None, config: Config, providers: ProviderPool, announce: Callable[[str], None]
) -> tuple[SelectedModel, Config]:
    """The model that `text` names, or the configured fallback if its local provider cannot be
    reached; and the configuration under which it may be asked. Raises what `select_model`
    raises."""
    try:
        return select_model(text, config, providers), config
    except Unreachable as error:
        name = text or config["model"] or ""
        provider = parse_ref(name, config).provider or provider_that_opens("gguf")
        fallback = fallback_for(provider, error, config, providers, announce)
        if fallback is None:
            raise
        return fallback.selected, fallback.config


def prompt_destination(selected: SelectedModel, config: Config) -> str | None:
    """The line that says where the prompt is about to go; None if it stays on this machine, or if
    the provider will refuse it."""
    provider, model = selected.provider, selected.model
    host = provider.destination(model)
    if host is None or not _is_allowed(selected, config):
        return None
    zone = "" if model.zone is None else f" ({model.zone.label})"
    return f"the prompt goes to {host}{zone}, for {provider.name}/{model.id}"


def _is_allowed(selected: SelectedModel, config: Config) -> bool:
    name = name_in_cloud_allow(selected.provider.name, config)
    return selected.model.zone is Zone.LAN or name in config["cloud.allow"]


def fallback_for(
    provider: str,
    error: LocalaiError,
    config: Config,
    providers: ProviderPool,
    announce: Callable[[str], None],
) -> Fallback | None:
    """The fallback that answers instead of the local `provider`, which failed with `error`. It is
    announced.

    None unless `cloud.fallback` is set, and for a cloud: only a local provider has a fallback.
    Raises what `select_model` raises for the fallback's model.
    """
    name = config["cloud.fallback"]
    if name is None or facts_of(provider, config).computes == "elsewhere":
        return None
    announce(f"{error.message}; {name} answers instead (cloud.fallback)")
    cloud = name_in_cloud_allow(parse_ref(name, config).provider or "", config)
    allowing = config.with_flags(cloud__allow=(*config["cloud.allow"], cloud))
    return Fallback(select_model(name, allowing, providers), allowing)

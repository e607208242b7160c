"""A prompt that leaves this machine: what is said before it does, and the fallback that was set.

The permission itself is the provider's and the guard's affair; nothing here grants any, except
that `cloud.fallback` is the user's word for the one provider that it names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localai.chat.select import Chosen, choose, parse_ref
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
    from localai.paths import Paths


@dataclass(frozen=True, slots=True)
class StandIn:
    """The fallback's model, and the settings under which it may be asked."""

    chosen: Chosen
    config: Config


def allow_every_cloud(config: Config) -> Config:
    """The settings for one run with `--allow-cloud`: whichever provider was named may be asked."""
    names = provider_names(config)
    return config.with_flags(cloud__allow=tuple(name_in_cloud_allow(n, config) for n in names))


def choose_or_fall_back(
    text: str | None, config: Config, paths: Paths, announce: Callable[[str], None]
) -> tuple[Chosen, Config]:
    """The model that `text` names, or the configured fallback if its local provider cannot be
    reached; and the settings under which it may be asked. Raises what `choose` raises."""
    try:
        return choose(text, config, paths), config
    except Unreachable as error:
        name = text or config["model"] or ""
        provider = parse_ref(name, config).provider or provider_that_opens("gguf")
        stand_in = fallback_for(provider, error, config, paths, announce)
        if stand_in is None:
            raise
        return stand_in.chosen, stand_in.config


def departure_of(chosen: Chosen, config: Config) -> str | None:
    """The line that says where the prompt is about to go; None if it stays on this machine, or is
    going to be refused."""
    provider = chosen.provider
    host = provider.destination(chosen.model)
    if host is None or not _is_allowed(chosen, config):
        return None
    zone = "" if chosen.model.zone is None else f" ({chosen.model.zone.label})"
    return f"the prompt goes to {host}{zone}, for {provider.name}/{chosen.model.id}"


def _is_allowed(chosen: Chosen, config: Config) -> bool:
    name = name_in_cloud_allow(chosen.provider.name, config)
    return chosen.model.zone is Zone.LAN or name in config["cloud.allow"]


def fallback_for(
    provider: str,
    error: LocalaiError,
    config: Config,
    paths: Paths,
    announce: Callable[[str], None],
) -> StandIn | None:
    """Who answers instead of the local `provider`, announced; None unless `cloud.fallback` is set.

    Raises what choosing the fallback's model raises.
    """
    fallback = config["cloud.fallback"]
    if fallback is None or facts_of(provider, config).computes == "elsewhere":
        return None
    announce(f"{error.message}; {fallback} answers instead (cloud.fallback)")
    ref = parse_ref(fallback, config)
    consent = name_in_cloud_allow(ref.provider or "", config)
    allowing = config.with_flags(cloud__allow=(*config["cloud.allow"], consent))
    return StandIn(choose(fallback, allowing, paths), allowing)

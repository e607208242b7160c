"""Every model that could answer, of every provider that may be asked."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localai.errors import LocalaiError
from localai.providers.registry import (
    facts_of,
    name_in_cloud_allow,
    open_provider,
    provider_names,
)
from localai.types import ResolvedModel

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths


@dataclass(frozen=True, slots=True)
class Offer:
    """What one provider has; `problem` says why it does not answer, None if it does."""

    provider: str
    models: tuple[ResolvedModel, ...]
    problem: str | None = None


def offers(config: Config, paths: Paths, *, without: Collection[str] = frozenset()) -> list[Offer]:
    """What every provider has but those in `without`, asked at the same time; clouds are asked
    only if allowed."""
    names = [
        name for name in provider_names(config) if name not in without and _may_ask(name, config)
    ]
    with ThreadPoolExecutor(max_workers=len(names)) as pool:
        return list(pool.map(_asker(config, paths), names))


def _may_ask(name: str, config: Config) -> bool:
    facts = facts_of(name, config)
    if not facts.runs_here():
        # Not worth a line: on every machine that is no Mac there would be one about MLX.
        return False
    allowed = name_in_cloud_allow(name, config) in config["cloud.allow"]
    return facts.computes != "elsewhere" or allowed


def _asker(config: Config, paths: Paths) -> Callable[[str], Offer]:
    def ask(name: str) -> Offer:
        try:
            provider = open_provider(name, config, paths)
            try:
                return Offer(name, tuple(provider.models()))
            finally:
                provider.close()
        except LocalaiError as error:
            return Offer(name, (), error.message)

    return ask

"""Every model that could answer: the models of each provider, and all together with each model
once.

The stores of this machine are read whether their programs run or not. A program that runs says
which of its models are in memory, and which it has beyond the files here. Prints nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from localai.dataclass import dataclass
from localai.engine.lifecycle import workers
from localai.errors import LocalaiError
from localai.parallel import in_threads
from localai.privacy import guard
from localai.providers.facts import ProviderFacts
from localai.providers.registry import (
    facts_of,
    is_third_party,
    name_in_cloud_allow,
    provider_names,
)
from localai.stores.inventory import ModelOnDisk, Place, files_of, models_on_disk
from localai.types import ResolvedModel

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths
    from localai.providers.pool import ProviderPool


@dataclass(frozen=True, slots=True)
class ModelsOfProvider:
    """The models of one provider. `problem` says why it does not answer; None if it does."""

    provider: str
    models: tuple[ResolvedModel, ...]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class AvailableModel:
    """A model that could answer.

    `places` are where it lies on this machine, empty if only a server has it. `providers` are those
    that can run it without converting it. `loaded_by` are those of them that have it in memory now.
    """

    model: ResolvedModel
    places: tuple[Place, ...]
    providers: tuple[str, ...]
    loaded_by: tuple[str, ...] = ()
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class AvailableModels:
    """All available models. `silent` are the providers that do not answer, each with the reason."""

    models: tuple[AvailableModel, ...]
    silent: tuple[tuple[str, str], ...]


def models_by_provider(config: Config, providers: ProviderPool) -> list[ModelsOfProvider]:
    """The models of every provider; all providers are asked at the same time. A file that several
    providers can open is listed for each. Clouds are asked only if `cloud.allow` names them."""
    return _ask(list(_facts_of_askable(config)), config, providers)


def available_models(
    config: Config, paths: Paths, providers: ProviderPool, provider: str | None = None
) -> AvailableModels:
    """Every model once, whoever can run it; with `provider` only the models that this one runs."""
    facts = _facts_of_askable(config)
    file_openers = {name: each for name, each in facts.items() if each.opens is not None}
    served = _ask([name for name in facts if name not in file_openers], config, providers)
    silent = [(each.provider, each.problem) for each in served if each.problem]
    silent += _not_installed(file_openers, config, providers)
    local = [_available(found, facts) for found in models_on_disk(paths)]
    models = _with_workers(_with_served(local, served, facts), paths)
    return AvailableModels(
        tuple(each for each in models if provider is None or provider in each.providers),
        tuple(pair for pair in silent if provider is None or pair[0] == provider),
    )


def bytes_here(models: Iterable[AvailableModel]) -> int:
    """What the models on this machine take; weights that several of them have count once, such as
    those of an adapted one."""
    sizes: dict[object, int] = {}
    for each in models:
        with contextlib.suppress(OSError):
            for place in each.places[:1]:
                weights = files_of(place.path)[0]
                sizes[weights] = max(sizes.get(weights, 0), each.model.size_bytes or 0)
    return sum(sizes.values())


def is_used(provider: str, found: AvailableModels, config: Config) -> bool:
    """Whether the user has to do with a provider that does not answer: the configuration or the
    environment names it, its package was installed, or there are models that it would run."""
    facts = facts_of(provider, config)
    return is_named(provider, config) or any(
        provider in each.providers or any(place.store == facts.store for place in each.places)
        for each in found.models
    )


def is_named(provider: str, config: Config) -> bool:
    """Whether the configuration or the environment names the provider, or its package was
    installed."""
    return (
        provider in config.endpoints
        or is_third_party(provider)
        or provider == config["provider"]
        or str(config["model"]).startswith(f"{provider}/")
        or f"{provider.upper()}_HOST" in os.environ
        or any(
            value.origin != "default" and key.startswith(f"{provider}.")
            for key, value in config.values.items()
        )
    )


def _facts_of_askable(config: Config) -> dict[str, ProviderFacts]:
    """The facts of every provider that may be asked for its models. Engines that cannot run here
    are left out: without that, every machine but a Mac would show a line about MLX."""
    facts = {name: facts_of(name, config) for name in provider_names(config)}
    allowed = config["cloud.allow"]
    return {
        name: each
        for name, each in facts.items()
        if each.runs_here()
        and (each.computes != "elsewhere" or name_in_cloud_allow(name, config) in allowed)
    }


def _ask(names: Sequence[str], config: Config, providers: ProviderPool) -> list[ModelsOfProvider]:
    def ask(name: str) -> ModelsOfProvider:
        try:
            models = providers.provider(name, config).models()
            return ModelsOfProvider(name, tuple(models))
        except LocalaiError as error:
            return ModelsOfProvider(name, (), error.message)

    return in_threads(guard.in_scope(ask), names)


def _not_installed(
    names: Iterable[str], config: Config, providers: ProviderPool
) -> Iterator[tuple[str, str]]:
    for name in names:
        try:
            providers.provider(name, config).check_installed()
        except LocalaiError as error:
            yield name, error.message


def _available(found: ModelOnDisk, facts: Mapping[str, ProviderFacts]) -> AvailableModel:
    opened = "gguf" if found.format == "adapted" else found.format
    openers = [name for name, each in facts.items() if each.opens == opened]
    stores = {place.store for place in found.places}
    owners = [name for name, each in facts.items() if each.store in stores]
    engines = tuple(dict.fromkeys((*openers, *owners)))
    return AvailableModel(found.model, found.places, engines, digest=found.digest)


def _with_served(
    local: list[AvailableModel],
    served: Sequence[ModelsOfProvider],
    facts: Mapping[str, ProviderFacts],
) -> list[AvailableModel]:
    """`local` with what running servers say of the same models, then the models that only servers
    have."""
    known = list(local)
    beyond: list[AvailableModel] = []
    for each in served:
        for model in each.models:
            at = _position_of(model, local, facts[each.provider])
            if at is None:
                loaded = (each.provider,) if model.loaded else ()
                beyond.append(AvailableModel(model, (), (each.provider,), loaded, model.digest))
            elif model.loaded and each.provider not in known[at].loaded_by:
                loaded_by = (*known[at].loaded_by, each.provider)
                known[at] = replace(known[at], loaded_by=loaded_by)
    return known + beyond


def _position_of(
    model: ResolvedModel, local: Sequence[AvailableModel], facts: ProviderFacts
) -> int | None:
    """The index in `local` of the model that a server lists; None if none or several match. If the
    server uses other names than its store, models are matched by size."""

    def is_same(place: Place, known: ResolvedModel) -> bool:
        if place.store != facts.store:
            return False
        if facts.has_names_of_store:
            return place.name == model.id
        return model.size_bytes is not None and known.size_bytes == model.size_bytes

    same = [
        at
        for at, each in enumerate(local)
        if any(is_same(place, each.model) for place in each.places)
    ]
    return same[0] if len(same) == 1 else None


def _with_workers(models: list[AvailableModel], paths: Paths) -> list[AvailableModel]:
    """`models` with llama.cpp and MLX in `loaded_by` where a worker of theirs has loaded the
    model."""
    running = [
        (Path(info.spec.model_path), info.spec.kind)
        for _, info in workers(paths)
        if not info.is_loading
    ]
    if not running:
        return models
    return [
        replace(
            each, loaded_by=(*(kind for path, kind in running if _is(path, each)), *each.loaded_by)
        )
        for each in models
    ]


def _is(path: Path, model: AvailableModel) -> bool:
    try:
        return any(path.samefile(place.path) for place in model.places)
    except OSError:
        return False

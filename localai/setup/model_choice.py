"""Which model a set-up takes: the one that was named; else the configured one; else the best of the
catalogue that fits this machine and that its source offers; else the starter, which needs no hub.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from localai.chat.select import select_model
from localai.dataclass import dataclass
from localai.errors import (
    InsufficientResources,
    LocalaiError,
    NotFound,
    ProviderRefused,
    Unreachable,
)
from localai.fetch.pull import find_model
from localai.hardware.facts import disturbance
from localai.providers.registry import declared_facts
from localai.recommend.memory_for_models import memory_for_models
from localai.stores.starter import STARTER

if TYPE_CHECKING:
    from localai.config import Config
    from localai.fetch.allowed_hosts import AllowedHosts
    from localai.fetch.plan import PullPlan
    from localai.fetch.preflight import Preflight
    from localai.hardware.facts import Machine
    from localai.paths import Paths
    from localai.providers.pool import ProviderPool
    from localai.recommend.ranking import Recommendation
    from localai.setup.engines import Engine

# How many of the best models are looked up at their source before the starter is chosen.
_TRIED: Final = 4
# The assumed rate of a download before it begins: 100 Mbit/s.
LINE_BYTES_PER_S: Final = 12.5e6
# A model that the user did not name arrives in eight minutes, so that a set-up takes less than
# ten; or takes at most this share of what the machine has for models, where that is more: who has
# 64 GB did not buy them for what 16 GB can do.
_SOON_BYTES: Final = 8 * 60 * LINE_BYTES_PER_S
_SHARE_OF_MEMORY: Final = 0.4


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """The model, and why; `download` and `size_bytes` are set only if it is not here yet."""

    name: str
    why: str
    here: bool
    download: PullPlan | None = None
    size_bytes: int | None = None
    notes: tuple[str, ...] = ()


def choose_model(
    named: str | None,
    engine: Engine,
    machine: Machine,
    config: Config,
    paths: Paths,
    hosts: AllowedHosts,
    providers: ProviderPool,
) -> ChosenModel:
    """The model for `engine` on `machine`; `named` is the user's choice.

    Raises InsufficientResources if a model that the user or the settings name does not fit, and
    what its source raises.
    """

    def wanted(name: str, why: str) -> ChosenModel:
        return _wanted(name, why, machine, config, paths, hosts, providers)

    if named is not None:
        return wanted(named, "you named it")
    if config["model"] is not None:
        return wanted(config["model"], "your settings name it")
    ranked = [each for each in _ranked(machine, config, paths) if each.fits and each.comfortable]
    for offer in ranked:
        if offer.installed and _is_here(offer.pull_name, config, providers):
            return ChosenModel(offer.pull_name, f"it is here already; {offer.why}", here=True)
    largest = largest_download(machine)
    best = [
        (name, offer.why)
        for offer in ranked
        if (name := _name_for(engine, offer, largest)) is not None
    ]
    trouble = "no model of the catalogue fits this machine well"
    for name, why in best[:_TRIED]:
        try:
            return wanted(name, why)
        except (NotFound, InsufficientResources) as error:
            trouble = error.message
        except (Unreachable, ProviderRefused) as error:
            trouble = error.message
            break
    starter = _wanted(
        STARTER.name, "it needs no model hub", machine, config, paths, hosts, providers
    )
    better = f"; for a better one later: localai setup --model {best[0][0]}" if best else ""
    return replace(starter, notes=(f"{trouble}, so it is the starter{better}", *_doubts(machine)))


def _doubts(machine: Machine) -> list[str]:
    """Why a better model may be chosen another time."""
    while_busy = disturbance(machine.memory_bandwidth.source)
    later = "on a quiet machine, localai setup measures again"
    return [f"memory was measured {while_busy}; {later}"] if while_busy else []


def largest_download(machine: Machine) -> float:
    """How large in bytes a model may be that set-up chooses by itself on `machine`."""
    return max(_SOON_BYTES, _SHARE_OF_MEMORY * memory_for_models(machine).fast_bytes)


def _name_for(engine: Engine, offer: Recommendation, largest_bytes: float) -> str | None:
    """What to pull for `engine`; None if the catalogue has no build for it, or only larger ones
    than `largest_bytes`."""
    soon = [
        file
        for file in (offer.quantization, offer.entry.files[0])
        if file.size_bytes <= largest_bytes
    ]
    if not soon:
        return None
    return offer.entry.mlx if declared_facts(engine.name).opens == "mlx" else soon[0].name


def _wanted(
    name: str,
    why: str,
    machine: Machine,
    config: Config,
    paths: Paths,
    hosts: AllowedHosts,
    providers: ProviderPool,
) -> ChosenModel:
    """The model called `name`, on this machine or at its source.

    Raises InsufficientResources if it does not fit, and what its source raises.
    """
    if _is_here(name, config, providers):
        return ChosenModel(name, why, here=True)
    if name == STARTER.name:
        return ChosenModel(name, why, here=False, size_bytes=STARTER.wheel_bytes)
    found = _preflight(find_model(name, hosts, config, paths), machine, config, paths)
    if found.problems:
        raise InsufficientResources(
            f"{name} was not chosen: {'; '.join(found.problems)}", command="localai recommend"
        )
    plan = found.plan
    return ChosenModel(plan.name, why, here=False, download=plan, size_bytes=found.download_bytes)


def _preflight(plan: PullPlan, machine: Machine, config: Config, paths: Paths) -> Preflight:
    from localai.fetch.preflight import preflight

    return preflight(
        plan,
        machine,
        context_tokens=config["engine.context"],
        kv_type=config["engine.kv_type"],
        cache_folder=paths.cache_dir,
        # Without those that the engine leaves idle.
        gpu_is_used=bool(machine.gpus),
    )


def _is_here(name: str, config: Config, providers: ProviderPool) -> bool:
    try:
        select_model(name, config, providers)
    except LocalaiError:
        # Fetch it anyway: that mends a damaged file, and says why a provider does not answer.
        return False
    return True


def _ranked(machine: Machine, config: Config, paths: Paths) -> list[Recommendation]:
    from localai.providers.registry import providers_on_device
    from localai.recommend.ranking import recommend
    from localai.sizing.past_runs import runs_by_name
    from localai.stores.inventory import names_on_disk

    installed = names_on_disk(paths)
    runs = runs_by_name(paths, installed, providers_on_device(config))
    return recommend(machine, "chat", installed=installed, past_runs=runs)

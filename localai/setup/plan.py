"""The set-up plan: which engine and model, and which steps are still to be done.

The model is the one that was named; else the configured one; else the best of the catalogue that
fits this machine and that its source offers; else the starter, which needs no hub.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

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
from localai.providers.gpu_use import idle_gpu, without_idle_gpu
from localai.providers.registry import declared_facts
from localai.recommend.memory_for_models import memory_for_models
from localai.setup.engines import Engine, choose_engine, embedded_engine
from localai.setup.offline import BundledModel, bundled_model
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

StepName = Literal["engine", "model", "config", "answer"]

# How many of the best models are looked up at their source before the starter is chosen.
_TRIED: Final = 4
# The assumed rate of a download before it begins: 100 Mbit/s.
_LINE_BYTES_PER_S: Final = 12.5e6
# A model that the user did not name arrives in eight minutes, so that a set-up takes less than
# ten; or takes at most this share of what the machine has for models, where that is more: who has
# 64 GB did not buy them for what 16 GB can do.
_SOON_BYTES: Final = 8 * 60 * _LINE_BYTES_PER_S
_SHARE_OF_MEMORY: Final = 0.4


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what, why, from where, and about how many bytes and seconds.

    `done`: there is nothing left to do for it.
    """

    name: StepName
    what: str
    why: str
    done: bool
    source: str | None = None
    size_bytes: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class SetupPlan:
    """The engine and the model that will answer, and the steps until then.

    `model` is the name for `localai chat -m`. `download` is None if nothing is fetched from a
    model's source: the model is here, it is the starter (from the package index), or it is
    `bundled` (copied from a bundle). `settings` are written once the answer was right. `notes` are
    sentences for the user.
    """

    engine: Engine
    model: str
    steps: tuple[Step, ...]
    download: PullPlan | None
    settings: dict[str, str]
    notes: tuple[str, ...]
    bundled: BundledModel | None = None

    @property
    def model_is_here(self) -> bool:
        """Whether there is nothing to fetch."""
        return any(step.name == "model" and step.done for step in self.steps)

    @property
    def only_answers(self) -> bool:
        """Whether everything is done except the answer that proves it."""
        return all(step.done for step in self.steps if step.name != "answer")


@dataclass(frozen=True, slots=True)
class _Model:
    """The chosen model; `download` and `size_bytes` are set only if it is not here yet."""

    name: str
    why: str
    here: bool
    download: PullPlan | None = None
    size_bytes: int | None = None
    notes: tuple[str, ...] = ()


def plan_setup(
    machine: Machine,
    config: Config,
    paths: Paths,
    hosts: AllowedHosts,
    providers: ProviderPool,
    *,
    provider: str | None = None,
    model: str | None = None,
) -> SetupPlan:
    """The plan for `machine`, which is this one. `provider` and `model` are those that the user
    named.

    The model's source is asked; nothing is fetched. Raises what the named model's source raises,
    InsufficientResources if the model does not fit, and what `choose_engine` raises.
    """
    engine = choose_engine(provider, config, paths)
    idle = None
    if declared_facts(engine.name).opens == "gguf":
        idle = idle_gpu(machine, config, paths)
        machine = without_idle_gpu(machine, idle)
    chosen = _choose_model(
        model, engine, machine, config.with_flags(provider=provider), paths, hosts, providers
    )
    if chosen.name == STARTER.name:
        starters = embedded_engine("the starter is its own", engine.alternative)
        if provider not in (None, starters.name):
            raise NotFound(
                f"{provider} has no model for this machine: {'; '.join(chosen.notes)}",
                hint=f"name one: localai setup --provider {provider} --model NAME",
            )
        engine = starters
    settings = _settings(engine, chosen, config, named=model, provider=provider)
    notes = [*chosen.notes, *([engine.alternative] if engine.alternative is not None else [])]
    if idle is not None:
        notes.append(": ".join(filter(None, (idle.sentence, idle.command))))
    steps = (
        Step("engine", engine.what, engine.why, done=True),
        _model_step(chosen),
        *_last_steps(settings, config, paths),
    )
    return SetupPlan(engine, chosen.name, steps, chosen.download, settings, tuple(notes))


def plan_offline_setup(bundle: Path, config: Config, paths: Paths) -> SetupPlan:
    """The plan for a machine without a network, from the folder `bundle`. Raises NotFound and
    InvalidInput if that is no bundle."""
    model = bundled_model(bundle, paths)
    engine = embedded_engine("it needs no network")
    settings = {} if config["model"] == model.name else {"model": model.name}
    steps = (
        Step("engine", engine.what, engine.why, done=True),
        Step(
            "model",
            model.name,
            "it is the bundle's",
            model.here,
            source=str(bundle),
            size_bytes=model.size_bytes,
        ),
        *_last_steps(settings, config, paths),
    )
    return SetupPlan(engine, model.name, steps, None, settings, (), model)


def _choose_model(
    named: str | None,
    engine: Engine,
    machine: Machine,
    config: Config,
    paths: Paths,
    hosts: AllowedHosts,
    providers: ProviderPool,
) -> _Model:
    def wanted(name: str, why: str) -> _Model:
        return _wanted(name, why, machine, config, paths, hosts, providers)

    if named is not None:
        return wanted(named, "you named it")
    if config["model"] is not None:
        return wanted(config["model"], "your settings name it")
    ranked = [each for each in _ranked(machine, config, paths) if each.fits and each.comfortable]
    for offer in ranked:
        if offer.installed and _is_here(offer.pull_name, config, providers):
            return _Model(offer.pull_name, f"it is here already; {offer.why}", here=True)
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
) -> _Model:
    """The model called `name`, on this machine or at its source.

    Raises InsufficientResources if it does not fit, and what its source raises.
    """
    if _is_here(name, config, providers):
        return _Model(name, why, here=True)
    if name == STARTER.name:
        return _Model(name, why, here=False, size_bytes=STARTER.wheel_bytes)
    found = _preflight(find_model(name, hosts, config, paths), machine, config, paths)
    if found.problems:
        raise InsufficientResources(
            f"{name} was not chosen: {'; '.join(found.problems)}", command="localai recommend"
        )
    plan = found.plan
    return _Model(plan.name, why, here=False, download=plan, size_bytes=found.download_bytes)


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
    from localai.sizing.own_runs import runs_by_name
    from localai.stores.inventory import names_on_disk

    installed = names_on_disk(paths)
    runs = runs_by_name(paths, installed, providers_on_device(config))
    return recommend(machine, "chat", installed=installed, own_runs=runs)


def _model_step(model: _Model) -> Step:
    source = None
    if model.download is not None:
        source = model.download.source
    elif not model.here:
        source = "the package index that pip is configured for"
    seconds = None if model.size_bytes is None else model.size_bytes / _LINE_BYTES_PER_S
    return Step("model", model.name, model.why, model.here, source, model.size_bytes, seconds)


def _last_steps(settings: dict[str, str], config: Config, paths: Paths) -> tuple[Step, Step]:
    """The proof, and the settings that are written after it."""
    what = ", ".join(f"{key} = {value}" for key, value in settings.items()) or "nothing to write"
    if settings:
        why = f"in {paths.config_file}"
    elif config["model"] is None:
        why = "the starter answers by default"
    else:
        why = "the settings say it"
    return (
        Step("answer", "a first answer", "to see that it is right, and how fast", done=False),
        Step("config", what, why, done=not settings),
    )


def _settings(
    engine: Engine,
    chosen: _Model,
    config: Config,
    *,
    named: str | None,
    provider: str | None,
) -> dict[str, str]:
    """The settings that the configuration file lacks.

    A starter that stands in for a better model is not written: it answers by default, and the
    next set-up looks for the better model again.
    """
    wanted: dict[str, str] = {}
    if provider is not None:
        wanted["provider"] = engine.name
    if chosen.name != STARTER.name or named is not None:
        wanted["model"] = chosen.name
    return {key: value for key, value in wanted.items() if config[key] != value}

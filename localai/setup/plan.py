"""The set-up plan: the engine (`engines`), the model (`model_choice`), and the steps to be done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from localai.dataclass import dataclass
from localai.errors import (
    NotFound,
)
from localai.providers.gpu_use import idle_gpu, without_idle_gpu
from localai.providers.registry import declared_facts
from localai.setup.engines import Engine, choose_engine, embedded_engine
from localai.setup.model_choice import LINE_BYTES_PER_S, ChosenModel, choose_model
from localai.setup.offline import BundledModel, bundled_model
from localai.stores.starter import STARTER

if TYPE_CHECKING:
    from localai.config import Config
    from localai.fetch.allowed_hosts import AllowedHosts
    from localai.fetch.plan import PullPlan
    from localai.hardware.facts import Machine
    from localai.paths import Paths
    from localai.providers.pool import ProviderPool

StepName = Literal["engine", "model", "config", "answer"]


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
    chosen = choose_model(
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


def _model_step(model: ChosenModel) -> Step:
    source = None
    if model.download is not None:
        source = model.download.source
    elif not model.here:
        source = "the package index that pip is configured for"
    seconds = None if model.size_bytes is None else model.size_bytes / LINE_BYTES_PER_S
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
    chosen: ChosenModel,
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

"""Who is measured: a model at a provider, with what is known of both before the first answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from localai.chat.off_device import prompt_destination
from localai.chat.select import SelectedModel, parse_ref, select_model
from localai.dataclass import dataclass
from localai.errors import InvalidInput, LocalaiError, NotFound
from localai.providers.registry import (
    facts_of,
    full_name,
    is_provider,
    provider_names,
    provider_that_opens,
)
from localai.types import Options, Zone

if TYPE_CHECKING:
    from localai.config import Config
    from localai.engine.worker_files import KvType
    from localai.hardware.facts import Machine
    from localai.library.details import ModelDetails
    from localai.paths import Paths
    from localai.providers.facts import ProviderFacts
    from localai.providers.pool import ProviderPool

# What of the embedded engine's settings shapes its speed.
_ENGINE_SETTINGS: Final = (
    "engine.draft",
    "engine.threads",
    "engine.prefill_threads",
    "engine.gpu_layers",
    "engine.kv_type",
    "engine.flash_attention",
    "engine.batch",
    "engine.micro_batch",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """A model at a provider, and the settings under which it is asked. `asked` is the name whose
    quantizations were asked for; None where it was the model itself."""

    name: str
    selected: SelectedModel
    config: Config
    facts: ProviderFacts
    settings: Mapping[str, Any] = field(default_factory=dict)
    asked: str | None = None

    @property
    def leaves_machine(self) -> bool:
        """Whether what is asked goes elsewhere."""
        return self.selected.provider.destination(self.selected.model) is not None

    @property
    def is_cloud(self) -> bool:
        """Whether it is computed where it may have to be paid for."""
        return self.facts.computes == "elsewhere" or self.selected.model.zone is Zone.CLOUD

    @property
    def is_embedded(self) -> bool:
        """Whether the embedded engine computes it, in a worker with settings of ours."""
        return self.facts.computes == "here" and self.facts.opens == "gguf"

    def shares_worker(self, other: Subject) -> bool:
        """Whether both are one file in the embedded engine, which holds it once."""
        alike = self.selected.model.path == other.selected.model.path
        return alike and self.is_embedded and other.is_embedded

    def destination(self) -> str | None:
        """The line that says where the prompts are about to go; None if they stay here."""
        return prompt_destination(self.selected, self.config)


def subjects(
    names: Sequence[str],
    engines: Sequence[str],
    config: Config,
    pool: ProviderPool,
    engine_settings: Sequence[Mapping[str, Any]] = ({},),
    quantizations: Sequence[str] = (),
    paths: Paths | None = None,
) -> Iterator[Subject]:
    """Each model in each engine, under each of `engine_settings`, by name (`engine.kv_type`).
    Without names the default model, without engines the provider that answers for it. With
    `quantizations`, each of these of a model in the stores of `paths`.

    Raises what `select_model` and `library.variants.variant` raise, and InvalidInput where an
    engine has no such settings.
    """
    wanted: Sequence[str | None] = names or (None,)
    where: Sequence[str | None] = engines or (None,)
    for name in wanted:
        for engine, settings, kind in product(where, engine_settings, quantizations or (None,)):
            flags = {key.replace(".", "__"): value for key, value in settings.items()}
            text, ours = _at(name, engine, config), config.with_flags(**flags)
            if kind is not None:
                assert paths is not None
                text = _quantized(text, kind, config, paths, pool)
            try:
                found = _subject(text, ours, pool)
            except NotFound as missing:
                if len(engines) < 2:
                    raise
                raise NotFound(
                    missing.message,
                    hint=f"several engines measure one model: name one that {engine} has, too",
                    command=("localai", "list", "--provider", str(engine)),
                ) from missing
            if kind is not None:
                found = replace(found, asked=name or "")
            if settings and not found.is_embedded:
                embedded = provider_that_opens("gguf")
                raise InvalidInput(
                    f"{found.name} is not computed by the embedded engine, whose settings"
                    f" {', '.join(settings)} are",
                    command=("localai", "bench", f"{embedded}/{found.selected.model.id}"),
                )
            yield found


def _at(name: str | None, engine: str | None, config: Config) -> str | None:
    if engine is None:
        return name
    if not is_provider(engine, config):
        raise InvalidInput(
            f"there is no engine called {engine!r}",
            hint=f"--engine takes {', '.join(provider_names(config))}",
        )
    text = name or config["model"] or "starter"
    return f"{engine}/{parse_ref(text, config).name}"


def _quantized(
    name: str | None, kind: str, config: Config, paths: Paths, pool: ProviderPool
) -> str:
    """The full name of a model in the quantization `kind`."""
    from localai.library.variants import variant

    selected = select_model(name, config, pool)
    provider = selected.provider.name
    if provider == selected.model.provider and selected.model.path is None:
        from localai.library.details import find_details

        model = find_details(full_name(provider, selected.model.id), config, paths, pool).model
    else:
        model = selected.model
    found = variant(model, kind, provider, paths)
    return full_name(provider, found.places[0].name)


def _subject(name: str | None, config: Config, pool: ProviderPool) -> Subject:
    selected = select_model(name, config, pool)
    # Measured greedily, without what its publisher recommends.
    bare = replace(selected.model, recommended=Options(), system_prompt=None)
    provider = selected.provider.name
    facts = facts_of(provider, config)
    settings: dict[str, Any] = {"temperature": 0}
    if facts.computes == "here" and facts.opens == "gguf":
        settings |= {each.partition(".")[2]: config[each] for each in _ENGINE_SETTINGS}
        own = {"kv_type": bare.kv_type, "gpu_layers": bare.gpu_layers}
        settings |= {setting: value for setting, value in own.items() if value is not None}
    bare_selected = SelectedModel(selected.provider, bare)
    return Subject(full_name(provider, bare.id), bare_selected, config, facts, settings)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a model's work on this machine; None is unknown."""

    digest: str | None = None
    active_bytes: int | None = None
    context_bytes_per_token: float | None = None
    bandwidth_bytes_per_s: float | None = None
    predicted: Mapping[int, float] = field(default_factory=dict)


def known_of(
    subject: Subject,
    machine: Machine,
    depths: Sequence[int],
    context_tokens: int,
    paths: Paths,
    pool: ProviderPool,
) -> Known:
    """What the model reads for each token, and what is predicted of it at each of the `depths`
    (tokens before the answer's middle). Whatever cannot be found out is unknown."""
    from localai.library.details import find_details
    from localai.providers.gpu_use import machine_of_engine

    if subject.leaves_machine:
        return Known()
    try:
        details = find_details(subject.name, subject.config, paths, pool)
        if subject.is_embedded:
            machine = machine_of_engine(machine, subject.config, paths)
        kv_type = subject.settings.get("kv_type", "f16")
        return _known(details, machine, depths, context_tokens, kv_type, paths)
    except (LocalaiError, OSError):
        return Known(digest=subject.selected.model.digest)


def _known(
    details: ModelDetails,
    machine: Machine,
    depths: Sequence[int],
    context_tokens: int,
    kv_type: KvType,
    paths: Paths,
) -> Known:
    from localai.formats.gguf import GgufHeader
    from localai.sizing.memory import project
    from localai.sizing.speed import decode_work, predict_speed

    path = details.model.path
    digest = _digest(details, paths)
    if path is None or not isinstance(details.source, GgufHeader):
        return Known(digest)
    need = project(
        path,
        context_tokens,
        kv_type=kv_type,
        cache_folder=paths.cache_dir,
        digest=details.model.digest,
    )
    work = decode_work(details.source, need)
    # Without past runs: what the machine itself promises, to be held against what it does.
    predicted = {
        depth: speed.expected
        for depth in depths
        if (speed := predict_speed(machine, work, depth_tokens=depth)).expected is not None
    }
    return Known(
        digest=digest,
        active_bytes=work.active_bytes,
        context_bytes_per_token=work.context_bytes / max(1, work.context_tokens),
        bandwidth_bytes_per_s=_bandwidth(machine),
        predicted=predicted,
    )


def _digest(details: ModelDetails, paths: Paths) -> str | None:
    """The SHA-256 of the model's first file; None for a folder."""
    from localai.stores.digests import DigestCache

    path = details.model.path
    if details.model.digest is not None or path is None or not path.is_file():
        return details.model.digest
    cache = DigestCache(paths)
    computing = cache.compute(path, lambda done: done)
    while True:
        try:
            next(computing)
        except StopIteration as end:
            cache.save()
            return str(end.value)


def _bandwidth(machine: Machine) -> float | None:
    """The bandwidth of the memory that the model is decoded from: the first GPU's, if an engine can
    use one."""
    from localai.sizing.devices import gpu_kind

    for gpu in machine.gpus:
        if gpu_kind(gpu) is not None:
            shared = machine.memory_bandwidth.value if gpu.unified.value else None
            return gpu.memory_bandwidth.value or shared
    return machine.memory_bandwidth.value

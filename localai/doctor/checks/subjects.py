"""The subjects of checks: the things of each kind in a snapshot, and questions that several checks
ask about them.

All functions raise Unknown and never take unknown for "no".
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from localai.dataclass import dataclass
from localai.doctor.check import Unknown, asked, known, tried
from localai.doctor.facts.machine import Folder, Graphics
from localai.doctor.facts.models import Blob, ModelFile, OllamaStore
from localai.doctor.facts.own import Own, SettingValue, WorkerFacts
from localai.doctor.facts.servers import (
    Listener,
    LlamaServer,
    LmStudioFacts,
    OllamaFacts,
    OwnServerFacts,
    RunningModel,
    ServedModel,
)
from localai.doctor.facts.snapshot import AskedRegistry, Snapshot
from localai.hardware.facts import Gpu, Machine

BUSY_PERCENT = 50.0
"""Of ten seconds, in which some process waited for a processor."""
_LARGEST_NOISE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system with its mount point, and the folders on it that something needs."""

    name: str
    places: tuple[Folder, ...]

    @property
    def holds(self) -> str:
        """The things on the disk, for a sentence."""
        return ", ".join(str(place.purpose) for place in self.places)


def machine_of(facts: Snapshot) -> Machine:
    """The machine."""
    return known(facts.machine, "machine")


def graphics_of(facts: Snapshot) -> Graphics:
    """The software between programs and graphics processors."""
    return known(facts.graphics, "graphics")


def ollama_of(facts: Snapshot) -> OllamaFacts:
    """Ollama, whether it answers or not."""
    return known(facts.ollama, "ollama")


def own_of(facts: Snapshot) -> Own:
    """Localai itself."""
    return known(facts.own, "own")


def store_of(facts: Snapshot) -> OllamaStore:
    """Ollama's store on this disk."""
    return known(facts.ollama_store, "ollama_store")


def answering(facts: Snapshot) -> OllamaFacts | None:
    """Ollama, if its server answers; else None."""
    ollama = ollama_of(facts)
    return ollama if known(ollama.state, "ollama: its server") == "answers" else None


def answering_lmstudio(facts: Snapshot) -> LmStudioFacts | None:
    """LM Studio, if its server answers; else None."""
    lmstudio = known(facts.lmstudio, "lmstudio")
    return lmstudio if known(lmstudio.state, "lmstudio: its server") == "answers" else None


def models(facts: Snapshot) -> tuple[ModelFile, ...]:
    """The known model files of all stores whose headers can be read."""
    return tuple(model for model in known(facts.models, "models") if not model.problem)


def all_models(facts: Snapshot) -> tuple[ModelFile, ...]:
    """The model files of all stores."""
    return known(facts.models, "models")


def running_in_ollama(facts: Snapshot) -> tuple[RunningModel, ...]:
    """The models that Ollama holds in memory."""
    ollama = answering(facts)
    return () if ollama is None else known(ollama.running, "ollama: what is in memory")


def served_by_ollama(facts: Snapshot) -> tuple[ServedModel, ...]:
    """The models that Ollama's server lists."""
    ollama = answering(facts)
    return () if ollama is None else known(ollama.models, "ollama: its models")


def is_on_cpu(model: RunningModel) -> bool:
    """Whether no part of a model in Ollama's memory is on a graphics processor."""
    size = known(model.size_bytes, "ollama: a model's size")
    on_gpu = known(model.gpu_bytes, "ollama: a model's share of the GPU")
    return on_gpu == 0 and size > _LARGEST_NOISE_BYTES


def is_first_on_cpu(facts: Snapshot, model: RunningModel) -> bool:
    """Whether `model` is the first model on the CPU. The finding about it stands for the others."""
    return next((each for each in running_in_ollama(facts) if is_on_cpu(each)), None) is model


def bad_blobs(facts: Snapshot) -> tuple[Blob, ...]:
    """The layers of Ollama's models that differ from their manifests."""
    store = store_of(facts)
    if not known(store.readable, "ollama_store: whether it can be read"):
        return ()
    return known(store.bad_blobs, "ollama_store: its blobs")


def own_servers(facts: Snapshot) -> tuple[OwnServerFacts, ...]:
    """The servers of the configuration."""
    return known(facts.own_servers, "own_servers")


def listeners(facts: Snapshot) -> tuple[Listener, ...]:
    """The listeners on the usual ports."""
    return known(facts.listeners, "listeners")


def llama_servers(facts: Snapshot) -> tuple[LlamaServer, ...]:
    """The running llama.cpp servers, except localai's own."""
    return known(facts.llama_servers, "llama_servers")


def places(facts: Snapshot) -> tuple[Folder, ...]:
    """The folders that something needs."""
    return known(facts.places, "places")


def disks(facts: Snapshot) -> Iterator[Disk]:
    """Each file system once, with the folders on it. Temporary files need no room for models."""
    found: dict[str, list[Folder]] = {}
    for place in places(facts):
        if place.purpose != "temporary files":
            found.setdefault(place.mount or str(place.path), []).append(place)
    for name, on_it in found.items():
        yield Disk(name, tuple(on_it))


def disks_of(facts: Snapshot, purpose: str) -> tuple[str, ...]:
    """The subject of the disk that `path` is on; empty if that is not known."""
    return tuple(
        f"disk:{place.mount or place.path}"
        for place in facts.places or ()
        if place.purpose == purpose
    )


def workers(facts: Snapshot) -> Iterator[WorkerFacts]:
    """The running workers of the embedded engine."""
    for worker in known(own_of(facts).workers, "own: workers"):
        if known(worker.alive, "own: whether a worker lives"):
            yield worker


def files_that_fail(facts: Snapshot) -> tuple[str, ...]:
    """The files that `--deep` could not read."""
    return known(tried(facts).unreadable, "deep: which files can be read")


def files_that_differ(facts: Snapshot) -> tuple[str, ...]:
    """The files whose digest, by `--deep`, differs from the one that their store states."""
    return known(tried(facts).damaged, "deep: the digests of files")


def registries(facts: Snapshot) -> tuple[AskedRegistry, ...]:
    """The registries that `--online` has asked."""
    return asked(facts)


def settings_of(facts: Snapshot) -> Mapping[str, SettingValue]:
    """The settings that are not at their defaults, by key."""
    found = known(own_of(facts).settings, "own: settings")
    return {known(each.key, "own: the name of a setting"): each for each in found}


def setting(facts: Snapshot, key: str) -> str:
    """The value of a setting; "" for its default."""
    found = settings_of(facts).get(key)
    return "" if found is None else known(found.value, f"own: {key}")


def chosen_bytes(facts: Snapshot) -> int:
    """The size of the chosen model's file; 0 if none is chosen, or if it is not here."""
    own = own_of(facts)
    if not known(own.model, "own: the chosen model") or (
        known(own.model_place, "own: where the chosen model is") != "here"
    ):
        return 0
    return known(own.model_bytes, "own: the chosen model's size")


def variables_of(facts: Snapshot) -> Mapping[str, str]:
    """The variables of the user's shell."""
    return known(known(facts.environment, "environment").variables, "environment: variables")


def served_variables(facts: Snapshot) -> Mapping[str, str]:
    """The variables of Ollama's server: its own if they may be seen, else its service's; empty if
    neither runs."""
    ollama = ollama_of(facts)
    if ollama.environment is not None:
        return ollama.environment
    service = known(facts.service, "service")
    if known(service.exists, "service"):
        return known(service.environment, "service: its environment")
    return {} if answering(facts) is None else known(ollama.environment, "ollama: its environment")


def gpus_of(facts: Snapshot, vendor: str | None = None) -> list[Gpu]:
    """The graphics processors of one maker, or all of them."""
    gpus = machine_of(facts).gpus
    if vendor is None:
        return list(gpus)
    found = [gpu for gpu in gpus if gpu.vendor.value == vendor]
    if not found and any(gpu.vendor.value is None for gpu in gpus):
        raise Unknown("machine: who made a GPU is not known")
    return found


def nvidia_gpus(facts: Snapshot) -> list[Gpu]:
    """NVIDIA's graphics processors."""
    return gpus_of(facts, "NVIDIA")


def amd_gpus(facts: Snapshot) -> list[Gpu]:
    """AMD's graphics processors."""
    return gpus_of(facts, "AMD")


def is_linux(facts: Snapshot) -> bool:
    """Whether the machine runs Linux."""
    system = known(machine_of(facts).host.operating_system.value, "machine: the system")
    return not system.startswith(("macOS", "Windows"))


def is_mac(facts: Snapshot) -> bool:
    """Whether the machine is a Mac."""
    return bool(known(known(facts.kernel, "kernel").mac_version, "kernel: the version of macOS"))


def is_apple_silicon(facts: Snapshot) -> bool:
    """Whether the machine is a Mac with Apple's own graphics."""
    system = known(machine_of(facts).host.operating_system.value, "machine: the system")
    return system.startswith("macOS") and bool(gpus_of(facts, "Apple"))


def is_busy(facts: Snapshot) -> bool:
    """Whether processes had to wait for a processor; True if that is not known."""
    pressure = None if facts.kernel is None else facts.kernel.cpu_pressure_10s
    return pressure is None or pressure > BUSY_PERCENT


def container_of(facts: Snapshot) -> str:
    """The kind of container that this is; "" if it is none."""
    return known(machine_of(facts).host.container.value, "machine: whether this is a container")


def is_wsl(facts: Snapshot) -> bool:
    """Whether this is Linux in Windows (WSL)."""
    return known(machine_of(facts).host.wsl.value, "machine: WSL")


def our_python(facts: Snapshot) -> str:
    """The interpreter of localai's environment, as a word for a line to paste."""
    folder = None if facts.own is None else facts.own.script_folder
    return PYTHON if folder is None else shlex.quote(f"{folder}/python")


PYTHON = '"$(dirname "$(readlink -f "$(command -v localai)")")/python"'
"""The same where the folder is not known."""

"""Whether the engine that answers on this machine uses its GPU, and which would.

The package index's wheel of the engine computes on the CPU, except on a Mac. So a graphics card can
be idle, and a prediction that counts on it is wrong: a model is judged by the device that computes
it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from shutil import which
from typing import TYPE_CHECKING

from localai.dataclass import dataclass
from localai.engine.llamacpp.binary import PROGRAM, find_binary, own_engine_devices, read_binary
from localai.errors import LocalaiError

if TYPE_CHECKING:
    from localai.config import Config
    from localai.hardware.facts import Machine
    from localai.paths import Paths

# What install.sh calls the engine's build for a vendor's cards; Vulkan is for all.
_BUILDS = {"NVIDIA": "cuda", "AMD": "rocm"}


@dataclass(frozen=True, slots=True)
class IdleGpu:
    """A GPU that the engine does not use: a sentence about it, and the command that changes that,
    or None if no command can be run as it stands."""

    sentence: str
    command: str | None = None


def idle_gpu(
    machine: Machine,
    config: Config,
    paths: Paths,
    *,
    find_program: Callable[[str], str | None] = which,
) -> IdleGpu | None:
    """The GPU of `machine`, which is this machine, that is idle when localai's engine answers; None
    if there is none, or it is used. Takes a second or two if a llama-server is asked for the first
    time."""
    cards = [gpu for gpu in machine.gpus if gpu.vendor.value != "Apple"]
    if not cards:
        return None
    name = cards[0].name.value or "the GPU"
    if config["engine.gpu_layers"] == 0:
        return IdleGpu(
            f"{name} lies idle: engine.gpu_layers is 0", "localai config unset engine.gpu_layers"
        )
    written = config["engine.binary"]
    if written is not None:
        if _devices_of(written, paths):
            return None
        return IdleGpu(
            f"{name} lies idle: the llama-server of engine.binary computes on the CPU alone"
        )
    if own_engine_devices(paths.cache_dir):
        return None
    sentence = f"{name} lies idle: localai's own engine computes on the CPU here"
    if find_program(PROGRAM) is not None and (devices := _devices_of(PROGRAM, paths)):
        return IdleGpu(
            f"{sentence}; the llama-server of this machine computes on {', '.join(devices)}",
            f"localai config set engine.binary {PROGRAM}",
        )
    kind = _BUILDS.get(cards[0].vendor.value or "", "vulkan")
    return IdleGpu(
        f"{sentence}; the engine's own build for it would use it (in localai's folder:"
        f" ./install.sh --gpu {kind}), or a llama-server that is built for it"
    )


def without_idle_gpu(machine: Machine, idle: IdleGpu | None) -> Machine:
    """`machine` without the GPU that the engine does not use."""
    if idle is None:
        return machine
    apples = tuple(gpu for gpu in machine.gpus if gpu.vendor.value == "Apple")
    return replace(machine, gpus=apples)


def machine_of_engine(machine: Machine, config: Config, paths: Paths) -> Machine:
    """`machine`, which is this machine, with what localai's own engine computes on."""
    return without_idle_gpu(machine, idle_gpu(machine, config, paths))


def _devices_of(written: str, paths: Paths) -> tuple[str, ...]:
    """The devices of a llama-server; empty if it does not run."""
    try:
        binary = read_binary(find_binary(written), paths.cache_dir)
    except (LocalaiError, OSError):
        return ()
    return tuple(device.name for device in binary.devices)

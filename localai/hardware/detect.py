"""This machine, in less than 400 ms: each subject is detected separately.

A detection that fails makes only its own facts unknown, and the reason is one of
`Machine.problems`. Nothing that takes time is measured here: memory bandwidth is in
`localai.hardware.measured_bandwidth`, and the caller remembers it.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from localai.dataclass import dataclass
from localai.hardware import cpu, host, memory, power
from localai.hardware.facts import (
    Cpu,
    Disk,
    Fact,
    Host,
    Machine,
    Memory,
    Power,
    all_unknown,
)
from localai.hardware.nvidia import Found, nvidia_gpus
from localai.hardware.readers import run_program
from localai.parallel import begun

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _System:
    """How the subjects are detected on one kind of system."""

    host: Callable[[], Host]
    cpu: Callable[[], Cpu]
    power: Callable[[], Power]
    gpus: Callable[[], Found]


def detect(models_folder: Path, *, memory_bandwidth: Fact[float] | None = None) -> Machine:
    """Everything known of this machine. The disk is that of `models_folder`; `memory_bandwidth` is
    what the caller remembers of an earlier measurement."""
    system = {"Linux": _linux, "Darwin": _mac}.get(platform.system(), _other)()
    problems: list[str] = []

    def guarded(subject: str, detection: Callable[[], T], unknown: Callable[[str], T]) -> T:
        try:
            return detection()
        except Exception as error:  # noqa: BLE001 - one that fails must not cost the others
            why = f"{subject} could not be detected: {type(error).__name__}: {error}"
            problems.append(why)
            return unknown(why)

    # Graphics drivers are slow, so everything else is read meanwhile.
    graphics = begun(lambda: guarded("GPU", system.gpus, lambda _: Found()))
    the_host = guarded("system", system.host, partial(all_unknown, Host))
    live_memory = partial(memory.live_memory, wsl=bool(the_host.wsl.value))
    the_cpu = guarded("CPU", system.cpu, partial(all_unknown, Cpu))
    the_memory = guarded("memory", live_memory, partial(all_unknown, Memory))
    the_power = guarded("power", system.power, partial(all_unknown, Power))
    the_disk = guarded("disk", partial(host.disk_at, models_folder), partial(all_unknown, Disk))
    found = graphics()
    return Machine(
        host=the_host,
        cpu=the_cpu,
        memory=the_memory,
        gpus=found.gpus,
        power=the_power,
        disk=the_disk,
        memory_bandwidth=memory_bandwidth or Fact.unknown("not measured yet"),
        problems=(*found.problems, *problems),
    )


def _linux() -> _System:
    return _System(host.linux_host, cpu.linux_cpu, power.linux_power, _linux_gpus)


def _mac() -> _System:
    from localai.hardware import apple

    values = apple.parse_sysctl(_output(apple.SYSCTL))
    return _System(
        host=partial(host.mac_host, values),
        cpu=partial(apple.apple_cpu, values),
        power=lambda: power.psutil_power(_output(power.PMSET)),
        gpus=lambda: Found(apple.apple_gpus(_output(apple.SYSTEM_PROFILER), values)),
    )


def _other() -> _System:
    return _System(host.portable_host, cpu.portable_cpu, power.psutil_power, _nvidia_only)


def _linux_gpus() -> Found:
    from localai.hardware.drm import drm_gpus

    nvidia = _nvidia_only()
    others = drm_gpus(nvidia_known=bool(nvidia.gpus or nvidia.problems))
    return Found(nvidia.gpus + others.gpus, nvidia.problems + others.problems)


def _nvidia_only() -> Found:
    import psutil

    return nvidia_gpus(psutil.virtual_memory().total)


def _output(command: tuple[str, ...]) -> str:
    answer = run_program(*command)
    return "" if answer is None else answer[1]

"""A machine for a person: a line for each subject, with the value first and its source dim."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from localai.hardware.facts import Cpu, Disk, Fact, Gpu, Host, Machine, Memory, Power
from localai.units import UNKNOWN, bandwidth_text, bytes_text, counted

Line = tuple[str, str, str]
"""A subject, what is known of it, and where that needs saying what it rests on."""


def machine_facts(machine: Machine) -> list[Line]:
    """The lines of the machine, in the order in which they matter to models."""
    return [
        *_cpu(machine.cpu),
        _memory(machine.memory),
        _bandwidth(machine.memory_bandwidth),
        *_gpus(machine.gpus),
        _disk(machine.disk),
        _power(machine.power),
        _system(machine.host),
        *(("problem", problem, "") for problem in machine.problems),
    ]


def _cpu(cpu: Cpu) -> Iterator[Line]:
    yield "CPU", cpu.model.value or UNKNOWN, _doubt(cpu.model)
    parts = []
    if cpu.physical_cores.value is not None:
        parts.append(counted(cpu.physical_cores.value, "core"))
    if cpu.performance_cores.value and cpu.efficiency_cores.value:
        parts.append(f"{cpu.performance_cores.value} fast, {cpu.efficiency_cores.value} efficient")
    if cpu.logical_cores.value not in (None, cpu.physical_cores.value):
        parts.append(counted(cpu.logical_cores.value, "thread"))
    usable, logical = cpu.usable_cores.value, cpu.logical_cores.value
    if usable is not None and logical is not None and usable < logical:
        parts.append(f"{usable:g} usable by {cpu.usable_cores.source}")
    parts.append(" ".join(cpu.instruction_sets.value or ()))
    yield "cores", _joined(parts), ""


def _memory(memory: Memory) -> Line:
    parts = [bytes_text(memory.total_bytes.value)]
    if memory.limited_by.value and memory.limit_bytes.value != memory.total_bytes.value:
        parts.append(f"limited to {bytes_text(memory.limit_bytes.value)} by a control group")
    elif memory.limited_by.value:
        parts.append(f"a part of the machine's, by {memory.limited_by.value}")
    if memory.available_bytes.value is not None:
        parts.append(f"{bytes_text(memory.available_bytes.value)} available")
    if memory.swap_used_bytes.value:
        parts.append(f"{bytes_text(memory.swap_used_bytes.value)} swapped out")
    return "memory", _joined(parts), _doubt(memory.available_bytes)


def _bandwidth(bandwidth: Fact[float]) -> Line:
    if bandwidth.value is None:
        return "bandwidth", UNKNOWN, bandwidth.source
    basis = f"{bandwidth.confidence}: {bandwidth.source}"
    return "bandwidth", bandwidth_text(bandwidth.value), basis


def _gpus(gpus: tuple[Gpu, ...]) -> Iterator[Line]:
    if not gpus:
        yield "GPU", "none", ""
    for gpu in gpus:
        parts = []
        if gpu.memory_total_bytes.value is not None:
            own = "of main memory" if gpu.unified.value else "of its own"
            parts.append(f"{bytes_text(gpu.memory_total_bytes.value)} {own}")
        if gpu.memory_free_bytes.value is not None:
            parts.append(f"{bytes_text(gpu.memory_free_bytes.value)} free")
        if gpu.shared_memory_bytes.value is not None:
            parts.append(f"{bytes_text(gpu.shared_memory_bytes.value)} shared")
        if gpu.memory_bandwidth.value is not None:
            parts.append(bandwidth_text(gpu.memory_bandwidth.value))
        if gpu.cores.value is not None:
            parts.append(counted(gpu.cores.value, "core"))
        parts.append(", ".join(gpu.usable_by.value or ()) or "nothing here can use it")
        if gpu.driver.value is not None:
            parts.append(f"driver {gpu.driver.value}")
        yield "GPU", f"{gpu.name.value or UNKNOWN}: {_joined(parts)}", _doubt(gpu.usable_by)


def _disk(disk: Disk) -> Line:
    free, total = bytes_text(disk.free_bytes.value), bytes_text(disk.total_bytes.value)
    where = f" at {disk.folder.value}" if disk.folder.value else ""
    return "disk", f"{free} free of {total}{where}", _doubt(disk.free_bytes)


def _power(power: Power) -> Line:
    if power.on_battery.value is None:
        parts = [UNKNOWN]
    else:
        parts = ["battery" if power.on_battery.value else "mains"]
    if power.battery_percent.value is not None:
        parts.append(f"battery at {power.battery_percent.value:.0f}%")
    if power.low_power_mode.value:
        parts.append("low power mode: answers come slower")
    if power.governor.value is not None:
        parts.append(f"governor {power.governor.value}")
    return "power", _joined(parts), ""


def _system(host: Host) -> Line:
    parts = [
        host.operating_system.value or UNKNOWN,
        *([f"kernel {host.kernel.value}"] if host.kernel.value else []),
        *([host.architecture.value] if host.architecture.value else []),
    ]
    if host.container.value:
        parts.append(f"in a container ({host.container.value})")
    if host.virtual_machine.value:
        parts.append(f"in a virtual machine ({host.virtual_machine.value})")
    if host.wsl.value:
        parts.append("in WSL")
    if host.rosetta.value:
        parts.append("under Rosetta: a native Python is several times faster")
    return "system", _joined(parts), ""


def _doubt(fact: Fact[Any]) -> str:
    """The source of an uncertain fact; empty for one that the system itself reports."""
    if fact.confidence == "assumed" and fact.value is not None:
        return f"assumed: {fact.source}"
    return ""


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(part for part in parts if part)

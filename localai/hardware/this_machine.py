"""This machine with its measured memory bandwidth, which is measured once and remembered.

The key is the processor, its cores and the memory, so that a home that moves to another machine, or
a container that gets fewer cores, is measured anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from localai.dataclass import dataclass
from localai.hardware.detect import detect
from localai.hardware.facts import Fact, Machine, disturbance, disturbed
from localai.remembered import Remembered
from localai.units import bandwidth_text

if TYPE_CHECKING:
    from localai.paths import Paths

Measure = Literal["never", "once", "again"]
"""never: do not measure. once: measure if nothing is remembered. again: measure always."""

_VERSION: Final = 2
_MOST: Final = 20
# Percent of CPU time that other programs may use before a measurement counts as disturbed.
_BUSY_PERCENT: Final = 20.0
_LOOK_S: Final = 0.1


def this_machine(
    paths: Paths, measure: Measure = "once", announce: Callable[[str], None] | None = None
) -> Machine:
    """Everything known of this machine. Calls `announce` before a measurement, which takes a
    second. The result is remembered if the disk permits. A disturbed measurement is repeated once
    other programs have left the CPU. A measurement that is worse than the remembered one takes its
    place only if it was asked for and nothing disturbed it, and `announce` is told either way."""
    machine = detect(paths.models_dir)
    remembered = Remembered(paths.cache_dir / "bandwidth.json", version=_VERSION, most=_MOST)
    key = _key(machine)
    known = _read(remembered.get(key))
    is_due = known is None or (known.busy and not _is_busy(_busy_percent()))
    if measure == "again" or (measure == "once" and is_due):
        say = announce or (lambda _: None)
        say("measuring memory bandwidth, once, for a second …")
        known = _better(known, _measure(machine), wanted=measure == "again", say=say)
        remembered.put(key, asdict(known))
        remembered.save()
    return machine if known is None else replace(machine, memory_bandwidth=known.fact())


@dataclass(frozen=True, slots=True)
class _Known:
    """A remembered measurement; `busy`: other programs used the CPU meanwhile."""

    bytes_per_s: float
    source: str
    busy: bool

    def fact(self) -> Fact[float]:
        return Fact(self.bytes_per_s, self.source, "measured")


def _better(
    known: _Known | None, found: _Known, *, wanted: bool, say: Callable[[str], None]
) -> _Known:
    """Which of the remembered and the new measurement counts; `wanted`: the user asked for the
    new one."""
    if known is None or found.bytes_per_s >= known.bytes_per_s:
        return found
    rates = f"{bandwidth_text(found.bytes_per_s)}, less than {bandwidth_text(known.bytes_per_s)}"
    if wanted and not found.busy:
        say(f"{rates} before: it counts from here on")
        return found
    why = f" (measured {disturbance(found.source)})" if found.busy else ""
    say(f"{rates} before, which still counts{why}")
    return replace(known, busy=known.busy and found.busy)


def _measure(machine: Machine) -> _Known:
    from localai.hardware.measured_bandwidth import measure_bandwidth

    percent = _busy_percent()
    cores = machine.cpu.usable_cores.value or machine.cpu.logical_cores.value or 1
    found = measure_bandwidth(
        max(1, int(cores)),
        cache_bytes=machine.cpu.last_level_cache_bytes.value,
        available_bytes=machine.memory.available_bytes.value,
    )
    source = found.fact().source
    if _is_busy(percent):
        source = disturbed(source, percent)
    return _Known(found.read_bytes_per_s, source, _is_busy(percent))


def _busy_percent() -> float:
    """The percent of CPU time in use at this moment."""
    import psutil

    return float(psutil.cpu_percent(_LOOK_S))


def _is_busy(percent: float) -> bool:
    return percent > _BUSY_PERCENT


def _key(machine: Machine) -> str:
    cpu, memory = machine.cpu, machine.memory
    cores = f"{cpu.logical_cores.value} {cpu.usable_cores.value}"
    return f"{cpu.model.value} {cores} {memory.total_bytes.value}"


def _read(remembered: Any) -> _Known | None:
    try:
        known = _Known(remembered["bytes_per_s"], remembered["source"], remembered["busy"])
    except (KeyError, TypeError):
        return None
    whole = isinstance(known.bytes_per_s, float) and isinstance(known.source, str)
    return known if whole and known.bytes_per_s > 0 else None

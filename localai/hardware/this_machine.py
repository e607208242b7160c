"""This machine with what was measured of it: memory bandwidth is measured once and remembered.

It lies in the cache folder under a name made of the processor, its cores and the memory, so that
a home that moves to another machine, or a container that gets fewer cores, is measured anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from localai.errors import InvalidInput
from localai.hardware.detect import detect
from localai.hardware.facts import Fact, Machine

if TYPE_CHECKING:
    from pathlib import Path

    from localai.paths import Paths

Measure = Literal["never", "once", "again"]
"""never: only what is remembered. once: where nothing is remembered. again: whatever is."""

_FORMAT: Final = 1
# Of the CPU's time, taken by others just before: more than this and the figure may be far too low.
_BUSY_PERCENT: Final = 20.0
_LOOK_S: Final = 0.1


def this_machine(
    paths: Paths, measure: Measure = "once", announce: Callable[[str], None] | None = None
) -> Machine:
    """Everything known of this machine. To measure takes a second, which `announce` is told before;
    what was found is remembered if the disk permits."""
    machine = detect(paths.models_dir)
    entry = _entry(paths, machine)
    fact = None if measure == "again" else _recall(entry)
    if fact is None and measure != "never":
        if announce is not None:
            announce("measuring memory bandwidth, once, for a second …")
        fact = _measure(machine)
        _remember(entry, fact)
    return machine if fact is None else replace(machine, memory_bandwidth=fact)


def _measure(machine: Machine) -> Fact[float]:
    import psutil

    from localai.hardware.bandwidth import measure_bandwidth

    busy = psutil.cpu_percent(_LOOK_S)
    cores = machine.cpu.usable_cores.value or machine.cpu.logical_cores.value or 1
    fact = measure_bandwidth(
        max(1, int(cores)),
        cache_bytes=machine.cpu.last_level_cache_bytes.value,
        available_bytes=machine.memory.available_bytes.value,
    ).fact()
    if busy > _BUSY_PERCENT:
        others = f"{fact.source}, while other programs took {busy:.0f}% of the CPU"
        return replace(fact, source=others)
    return fact


def _entry(paths: Paths, machine: Machine) -> Path:
    cpu = machine.cpu
    key = [
        _FORMAT,
        cpu.model.value,
        cpu.logical_cores.value,
        cpu.usable_cores.value,
        machine.memory.total_bytes.value,
    ]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    return paths.cache_dir / "hardware" / f"bandwidth-{name}.json"


def _remember(entry: Path, fact: Fact[float]) -> None:
    from localai.paths import private_dir, write_atomically

    try:
        private_dir(entry.parent)
        write_atomically(entry, json.dumps({"value": fact.value, "source": fact.source}).encode())
    except (OSError, InvalidInput):
        # A full or read-only disk: it is measured again next time.
        return


def _recall(entry: Path) -> Fact[float] | None:
    try:
        document: Any = json.loads(entry.read_bytes())
        value, source = document["value"], document["source"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if isinstance(value, float) and value > 0 and isinstance(source, str):
        return Fact(value, source, "measured")
    return None

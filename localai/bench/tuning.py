"""Which settings of the embedded engine are worth changing on this machine, and by how much. Pure.

Each setting is changed alone, beside what is in force now, and the repetitions are compared pair by
pair; what several changes do together is not known from that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from localai.bench.cell import Cell
from localai.bench.comparison import MetricName, beside
from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.statistics import Interval

WORTH: Final = 0.03
"""A change of less is not worth a setting."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A setting that makes something faster, what it does to both speeds (as fractions), and
    whether it costs something else."""

    setting: str
    value: Any
    changes: Mapping[MetricName, Interval]

    @property
    def loses(self) -> bool:
        """Whether it makes something slower at the same time."""
        return any(each.value < -WORTH and each.excludes(0.0) for each in self.changes.values())


def trials(
    current: Mapping[str, Any], cores: int, *, has_gpu: bool, only: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """What to try: nothing changed first, then one setting after the other. `current` are the
    settings in force by name, `cores` how many a process may use; `only` those settings, if there
    are any. Raises InvalidInput for one that is not tried."""
    halves = sorted({max(1, cores // 2), cores, max(1, cores - 1)})
    wanted: dict[str, Sequence[Any]] = {
        "engine.threads": halves,
        "engine.micro_batch": (256, 1024),
        "engine.flash_attention": ("off", "auto"),
        "engine.kv_type": ("q8_0",),
        "engine.draft": ("off", "lookup"),
        "engine.gpu_layers": (0,) if has_gpu else (),
    }
    unknown = [name for name in only if name not in wanted]
    if unknown:
        raise InvalidInput(
            f"{unknown[0]} is not among the settings that are tried",
            hint=f"they are: {', '.join(wanted)}",
        )
    found: list[dict[str, Any]] = [{"engine.threads": current["engine.threads"]}]
    for name, values in wanted.items():
        for value in values:
            if (only and name not in only) or value == current[name]:
                continue
            if _needs_flash(name, value, current):
                continue
            found.append({name: value})
    return found


def _needs_flash(name: str, value: Any, current: Mapping[str, Any]) -> bool:
    """Whether a trial would ask for small keys without flash attention, which the engine lacks."""
    kv_type, flash = current["engine.kv_type"], current["engine.flash_attention"]
    if name == "engine.kv_type":
        return bool(flash == "off")
    return name == "engine.flash_attention" and value == "off" and kv_type in ("q8_0", "q4_0")


def suggestions(cells: Sequence[Cell], tried: Sequence[Mapping[str, Any]]) -> Iterator[Suggestion]:
    """What of the trials is faster than the first by more than is worth it and beyond chance, the
    best first. `cells` are the rows of `tried`, in its order."""
    found = []
    for cell, trial in list(zip(cells, tried, strict=True))[1:]:
        changes = {metric: change for _, _, metric, change in beside([cells[0], cell])}
        gains = [c.value for c in changes.values() if c.value > WORTH and c.excludes(0.0)]
        ((setting, value),) = trial.items()
        if gains:
            found.append((max(gains), Suggestion(setting, value, changes)))
    yield from (each for _, each in sorted(found, key=lambda pair: -pair[0]))

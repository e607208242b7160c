"""Which settings of the embedded engine are worth changing on this machine, and by how much. Pure.

Each setting is changed alone, beside what is in force now (`trials`). Whatever gained is the best
of several noisy figures, and so looks better than it is: it is measured once more, with fresh
repetitions, beside what is in force and beside all gains together (`confirmations`). Only the
second measurement decides (`suggestions`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from localai.bench.cell import Cell
from localai.bench.comparison import MetricName, beside
from localai.bench.plan import Limits
from localai.bench.verdict import notes, verdict
from localai.dataclass import dataclass
from localai.engine.llamacpp.steps import chosen_steps
from localai.errors import InvalidInput
from localai.statistics import Interval

WORTH: Final = 0.03
"""A change of less is not worth a setting."""
CONFIRMING: Final = Limits(budget_s=30.0, least=12, most=24, warm_ups=6, warm_up_s=10.0)
"""Of the second measurement: so many pairs that an interval holds for all comparisons at once."""
_CONFIDENCE: Final = 0.95

Settings = Mapping[str, Any]
"""Settings of the engine by name (`engine.kv_type`)."""
Changes = Mapping[MetricName, Interval]
"""By how much both speeds change, as fractions: 0.06 is 6% faster."""


@dataclass(frozen=True, slots=True)
class EngineCores:
    """What the numbers of threads follow from: the machine's cores, and those that a process may
    use."""

    physical: int
    usable: int

    @property
    def sensible(self) -> int:
        """The threads of which none waits for another's core; the engine's own number."""
        return max(1, min(self.physical, self.usable))


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Settings that belong together, and by how much they change both speeds."""

    settings: Settings
    changes: Changes

    @property
    def gain(self) -> float:
        """The largest gain that is worth it and beyond chance; 0 if there is none."""
        found = [c.value for c in self.changes.values() if c.value > WORTH and c.excludes(0.0)]
        return max(found, default=0.0)

    @property
    def loses(self) -> bool:
        """Whether they make something slower at the same time."""
        return any(each.value < -WORTH and each.excludes(0.0) for each in self.changes.values())


@dataclass(frozen=True, slots=True)
class Confirmations:
    """What is measured once more: what is in force, each gain alone, and all gains together that
    cost nothing elsewhere, if there are several."""

    base: Settings
    alone: tuple[Settings, ...]
    together: Settings | None

    @property
    def trials(self) -> list[Settings]:
        """As the rows of one run."""
        return [self.base, *self.alone, *([] if self.together is None else [self.together])]


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What the second measurement says. `suggestions` are worth changing, the best first.
    `together` is what all of them do at once that cost nothing elsewhere, None for fewer than two.
    `undecided` gained at first, and the machine was too noisy to confirm it; what they changed the
    second time is no more than a hint."""

    suggestions: tuple[Suggestion, ...] = ()
    together: Suggestion | None = None
    undecided: tuple[Suggestion, ...] = ()


def trials(
    current: Mapping[str, Any],
    cores: EngineCores,
    *,
    has_gpu: bool,
    prompt_tokens: int,
    only: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """What to try: nothing changed first, then one setting after the other. `current` are the
    settings in force by name; `only` those settings, if there are any. What changes nothing at a
    prompt of `prompt_tokens` is left out. Raises InvalidInput for a setting that is not tried."""
    wanted: dict[str, Sequence[Any]] = {
        "engine.threads": _thread_counts(cores),
        "engine.prefill_threads": _thread_counts(cores),
        "engine.batch": (512, 1024, 4096),
        "engine.micro_batch": (128, 256, 1024, 2048),
        "engine.flash_attention": ("off", "auto"),
        "engine.kv_type": ("f16", "q8_0"),
        "engine.draft": ("off", "lookup"),
        "engine.gpu_layers": (0, _ALL_LAYERS) if has_gpu else (),
    }
    unknown = [name for name in only if name not in wanted]
    if unknown:
        raise InvalidInput(
            f"{unknown[0]} is not among the settings that are tried",
            hint=f"they are: {', '.join(wanted)}",
        )
    base = _in_effect(current, cores, prompt_tokens, has_gpu=has_gpu)
    found: list[dict[str, Any]] = [{"engine.threads": current["engine.threads"]}]
    seen = [base]
    for name, values in wanted.items():
        for value in values:
            trial = _trial(name, value, base, current)
            effect = _in_effect({**current, **trial}, cores, prompt_tokens, has_gpu=has_gpu)
            if (only and name not in only) or effect in seen or _needs_flash(effect):
                continue
            seen.append(effect)
            found.append(trial)
    return found


# More than any model has.
_ALL_LAYERS: Final = 999


def _thread_counts(cores: EngineCores) -> list[int]:
    most = cores.sensible
    return sorted({max(1, most // 2), max(1, most - 1), most, cores.usable})


def _trial(name: str, value: Any, base: Settings, current: Settings) -> dict[str, Any]:
    """One setting changed. The threads of prefill follow those of decoding unless they are set; to
    change one thing at a time, they are held."""
    if name == "engine.threads" and current["engine.prefill_threads"] is None:
        return {name: value, "engine.prefill_threads": base["engine.prefill_threads"]}
    return {name: value}


def _in_effect(
    settings: Settings, cores: EngineCores, prompt_tokens: int, *, has_gpu: bool
) -> dict[str, Any]:
    """The settings as the engine takes them for one prompt of that length."""
    threads = settings["engine.threads"] or cores.sensible
    layers = settings["engine.gpu_layers"]
    on_cpu = layers == 0 or not has_gpu
    steps = chosen_steps(settings["engine.batch"], settings["engine.micro_batch"], short=on_cpu)
    batch = min(steps.batch, prompt_tokens)
    return {
        "engine.threads": threads,
        "engine.prefill_threads": settings["engine.prefill_threads"]
        or settings["engine.threads"]
        or cores.sensible,
        "engine.batch": batch,
        "engine.micro_batch": min(steps.micro_batch, batch),
        "engine.flash_attention": settings["engine.flash_attention"].replace("on", "auto"),
        "engine.kv_type": settings["engine.kv_type"],
        "engine.draft": settings["engine.draft"],
        "engine.gpu_layers": _ALL_LAYERS if layers is None else layers,
    }


def _needs_flash(settings: Settings) -> bool:
    """Whether keys and values would be small without flash attention, which the engine lacks."""
    small = settings["engine.kv_type"] in ("q8_0", "q4_0")
    return small and bool(settings["engine.flash_attention"] == "off")


def not_tried(cells: Sequence[Cell], tried: Sequence[Settings]) -> list[tuple[Settings, str]]:
    """The settings without a figure, each with the reason; the first of `tried` is what is in
    force. `cells` are the rows of `tried`, in its order."""
    return [
        (settings, "; ".join(notes(cell)) or "no answer came")
        for cell, settings in zip(cells, tried, strict=True)
        if not cell.succeeded
    ]


def gains(cells: Sequence[Cell], tried: Sequence[Settings]) -> list[Suggestion]:
    """Of each setting the trial that gained most beyond chance and beyond what is worth it, the
    best first. `cells` are the rows of `tried`, in its order."""
    best: dict[str, Suggestion] = {}
    for cell, trial in list(zip(cells, tried, strict=True))[1:]:
        found = Suggestion(trial, _changes(cells[0], cell, _CONFIDENCE))
        name = next(iter(trial))
        if found.gain > (best[name].gain if name in best else 0.0):
            best[name] = found
    return sorted(best.values(), key=lambda each: -each.gain)


def confirmations(first: Settings, gained: Sequence[Suggestion]) -> Confirmations:
    """What to measure once more, because it gained something."""
    members = [each for each in gained if not each.loses]
    return Confirmations(
        first, tuple(each.settings for each in gained), _at_once(members) if members[1:] else None
    )


def suggestions(cells: Sequence[Cell], confirmed: Confirmations) -> Suggestions:
    """What is worth changing. `cells` are the rows of `confirmed.trials`, in its order.

    A gain counts if it is larger than what is worth a setting, and if its interval excludes none at
    a confidence that holds for all comparisons together (Bonferroni). Noisy rows decide nothing.
    """
    base, *rest = cells
    confidence = 1 - (1 - _CONFIDENCE) / max(1, 2 * len(confirmed.alone))
    confirming: list[Suggestion] = []
    undecided: list[Suggestion] = []
    for cell, trial in zip(rest, confirmed.alone, strict=False):
        found = Suggestion(trial, _changes(base, cell, confidence))
        if "noisy" in (verdict(base), verdict(cell)):
            undecided.append(found)
        elif found.gain:
            confirming.append(found)
    confirming.sort(key=lambda each: -each.gain)
    together, members = None, _at_once([each for each in confirming if not each.loses])
    if confirmed.together == members and verdict(rest[-1]) == "quiet":
        together = Suggestion(members, _changes(base, rest[-1], confidence))
    return Suggestions(tuple(confirming), together, tuple(undecided))


def _at_once(suggestions: Sequence[Suggestion]) -> dict[str, Any]:
    """The settings of all of them; of two values for one setting the better suggestion's."""
    settings: dict[str, Any] = {}
    for each in reversed(suggestions):
        settings |= each.settings
    return settings


def _changes(base: Cell, cell: Cell, confidence: float) -> Changes:
    compared = beside([base, cell], confidence=confidence)
    return {metric: change for _, _, metric, change in compared}

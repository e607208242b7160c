"""Whether something became faster or slower: rows of two runs, or of one run compared with each
other.

Rows of one run were measured in turn, so their repetitions are pairs; those of two runs are two
samples. A noisy row decides nothing, and rows that were measured differently are not compared.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, Literal

from localai.bench.cell import Cell, Metric, decode, prefill
from localai.bench.stored_runs import StoredRun
from localai.bench.verdict import verdict
from localai.dataclass import dataclass
from localai.statistics import Interval, holm, mann_whitney, relative_change, unpaired_change

State = Literal["regressed", "improved", "same", "inconclusive", "incomparable"]
MetricName = Literal["prefill_tokens_per_s", "decode_tokens_per_s"]

METRICS: Final[dict[MetricName, Metric]] = {
    "prefill_tokens_per_s": prefill,
    "decode_tokens_per_s": decode,
}
# With noise of 2%, a loss of 6% exceeds this, and no loss does not.
THRESHOLD: Final = 0.03
_SIGNIFICANT: Final = 0.05
# The largest difference of the machine's own speed, by its anchor, at which two runs are compared.
ANCHOR_MOVED: Final = 0.05


@dataclass(frozen=True, slots=True)
class MetricChange:
    """The change of one metric of one row. `change` is a fraction: -0.06 is 6% slower; None if
    nothing can be compared. `reason` explains the state."""

    cell: Cell
    metric: MetricName
    change: Interval | None
    state: State
    reason: str
    p_value: float = 1.0


def compared(
    before: StoredRun, after: StoredRun, threshold: float = THRESHOLD
) -> tuple[MetricChange, ...]:
    """Every metric of every row of `after`, compared with the same row of `before`.

    A change counts if it is larger than the `threshold` and, after Holm's correction for the number
    of metrics, beyond chance.
    """
    changes = [
        change
        for cell in after.cells
        for change in _changes(_counterpart(cell, before), cell, before, after)
    ]
    tested = [number for number, each in enumerate(changes) if each.state == "same"]
    for number, p in zip(tested, holm([changes[n].p_value for n in tested]), strict=True):
        changes[number] = _judged(changes[number], p, threshold)
    return tuple(changes)


def beside(
    cells: Sequence[Cell], *, confidence: float = 0.95
) -> Iterator[tuple[Cell, Cell, MetricName, Interval]]:
    """Pairs of rows of one run with the same model and test, in different engines or settings: the
    first, the other, the metric, and how much larger the other's is, from pairs of repetitions."""
    for number, first in enumerate(cells):
        if any(_alike(first, earlier) for earlier in cells[:number]):
            continue
        for other in cells[number + 1 :]:
            if _alike(first, other):
                for name, metric in METRICS.items():
                    pairs = _pairs(first, other, metric)
                    if len(pairs) > 0:
                        one, two = zip(*pairs, strict=True)
                        yield first, other, name, relative_change(one, two, confidence)


def difference(before: Cell, after: Cell, old: StoredRun, new: StoredRun) -> str | None:
    """Why the rows may not be compared; None if they may. Another build of the engine is no reason:
    a comparison is to find out whether that is slower."""
    if not old.machine.same_computer(new.machine):
        return "it was measured on another machine"
    if before.digest and after.digest and before.digest != after.digest:
        return "the model's file is another one"
    changed = [
        name
        for name in {**before.settings, **after.settings}
        if before.settings.get(name) != after.settings.get(name)
    ]
    if changed:
        return f"other settings: {', '.join(sorted(changed))}"
    return None


def _counterpart(cell: Cell, run: StoredRun) -> Cell | None:
    same = [
        each
        for each in run.cells
        if (each.model, each.provider, each.test) == (cell.model, cell.provider, cell.test)
    ]
    exact = [each for each in same if each.settings == cell.settings]
    return next(iter(exact or same), None)


def _changes(
    before: Cell | None, cell: Cell, old: StoredRun, new: StoredRun
) -> Iterator[MetricChange]:
    for name, metric in METRICS.items():
        after = cell.interval(metric)
        if after is None or (name == "prefill_tokens_per_s" and not cell.test.prompt_tokens):
            continue
        if before is None:
            yield MetricChange(cell, name, None, "incomparable", "it was not measured before")
        elif (why := difference(before, cell, old, new)) is not None:
            yield MetricChange(cell, name, None, "incomparable", why)
        else:
            yield _measured(before, cell, name, old, new)


def _measured(
    before: Cell, cell: Cell, name: MetricName, old: StoredRun, new: StoredRun
) -> MetricChange:
    one, two = _values(before, METRICS[name]), _values(cell, METRICS[name])
    if not one:
        return MetricChange(cell, name, None, "incomparable", "it was not measured before")
    change = unpaired_change(one, two)
    for which, each in (("the earlier", before), ("this", cell)):
        if (found := verdict(each)) != "quiet":
            return MetricChange(cell, name, change, "inconclusive", f"{which} run was {found}")
    if old.anchor and new.anchor and abs(new.anchor / old.anchor - 1) > ANCHOR_MOVED:
        moved = new.anchor / old.anchor - 1
        reason = f"the machine itself is {abs(moved):.0%} {'faster' if moved > 0 else 'slower'} now"
        return MetricChange(cell, name, change, "inconclusive", reason)
    engine = "" if before.engine == cell.engine else f"{before.engine} before"
    return MetricChange(cell, name, change, "same", engine, mann_whitney(one, two))


def _judged(change: MetricChange, p_value: float, threshold: float) -> MetricChange:
    interval = change.change
    assert interval is not None
    value, low, high = interval.value, interval.low, interval.high
    if p_value < _SIGNIFICANT and interval.excludes(0.0) and abs(value) > threshold:
        state: State = "regressed" if value < 0 else "improved"
        reason = f"beyond {threshold:.0%}"
    elif low is not None and high is not None and -threshold <= low and high <= threshold:
        state, reason = "same", f"within {threshold:.0%}"
    elif abs(value) <= threshold and (interval.excludes(0.0) or p_value < _SIGNIFICANT):
        state, reason = "same", f"a change of less than {threshold:.0%}"
    else:
        state, reason = "inconclusive", "the interval is too wide"
    both = "; ".join(each for each in (reason, change.reason) if each)
    return replace(change, state=state, reason=both, p_value=p_value)


def _values(cell: Cell, metric: Metric) -> list[float]:
    return [value for each in cell.counted if (value := metric(each)) is not None]


def _alike(one: Cell, other: Cell) -> bool:
    """Whether the rows have the same model and the same test."""
    same = one.digest == other.digest if one.digest and other.digest else False
    return one.test == other.test and (same or one.model == other.model)


def _pairs(one: Cell, other: Cell, metric: Metric) -> list[tuple[float, float]]:
    """The values of the repetitions that were made in the same round, undisturbed if enough are."""
    by_round = {each.round: metric(each) for each in one.counted}
    return [
        (first, second)
        for each in other.counted
        if (second := metric(each)) is not None and (first := by_round.get(each.round)) is not None
    ]

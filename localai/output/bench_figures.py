"""The figures of a benchmark as text: rates with their intervals, times, changes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from localai.units import UNKNOWN

if TYPE_CHECKING:
    from localai.bench.cell import Cell
    from localai.statistics import Interval


def rate_text(interval: Interval | None) -> str:
    """A rate as `118.2 ± 1.3`: the median and half of its interval's width. Only the median if
    there are too few samples for an interval."""
    if interval is None:
        return UNKNOWN
    half = interval.half_width
    return number_text(interval.value) + ("" if half is None else f" ± {number_text(half)}")


def number_text(value: float) -> str:
    """A number with three digits: 1,234, 118, 11.8, 1.18, 0.12."""
    if value >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def first_text(interval: Interval | None) -> str:
    """A time in seconds; in milliseconds below one second."""
    if interval is None:
        return UNKNOWN
    seconds = interval.value
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def percent_text(fraction: float) -> str:
    """A change with its sign: `+3.1%`, `-12%`."""
    return f"{fraction:+.0%}" if abs(fraction) >= 0.1 else f"{fraction:+.1%}"


def bounds_text(change: Interval) -> str:
    """` (+1.0% to +5.2%)` with a space before it; nothing where too few samples tell no bounds."""
    if change.low is None or change.high is None:
        return ""
    return f" ({percent_text(change.low)} to {percent_text(change.high)})"


def energy_remarks(cells: Sequence[Cell]) -> Iterator[str]:
    """What the joules are those of, if there are any."""
    metered = next((cell for cell in cells if cell.energy_from and cell.idle_w is not None), None)
    if metered is not None:
        domains = ", ".join(metered.energy_from)
        idle = number_text(metered.idle_w or 0)
        yield f"energy: {domains}; {idle} W before the run, not taken off"

"""A measured figure, as documents say it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypedDict

if TYPE_CHECKING:
    from localai.statistics import Interval


class FigureDocument(TypedDict):
    """A figure with its 95% interval."""

    value: Annotated[float, "the estimate"]
    low: Annotated[float | None, "the interval's lower bound; null from too few samples"]
    high: Annotated[float | None, "its upper bound"]
    samples: Annotated[list[float] | None, "what it was made of, where that is not said elsewhere"]


def figure_document(interval: Interval, samples: Sequence[float] | None) -> FigureDocument:
    """A figure with its interval, and what it was made of."""
    return {
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "samples": None if samples is None else list(samples),
    }

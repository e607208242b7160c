"""A measured figure in a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypedDict

if TYPE_CHECKING:
    from localai.statistics import Interval


class FigureDocument(TypedDict):
    """A figure with its 95% interval."""

    value: Annotated[float, "the estimate"]
    low: Annotated[float | None, "the interval's lower bound; null for too few samples"]
    high: Annotated[float | None, "the interval's upper bound; null for too few samples"]
    samples: Annotated[
        list[float] | None, "the samples that the figure was made of, if no other field has them"
    ]


def figure_document(interval: Interval, samples: Sequence[float] | None) -> FigureDocument:
    """A figure with its interval, and the samples that it was made of."""
    return {
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "samples": None if samples is None else list(samples),
    }


def interval_document(interval: Interval | None) -> FigureDocument | None:
    """A figure whose samples are elsewhere or not kept; None if there is no figure."""
    return None if interval is None else figure_document(interval, None)

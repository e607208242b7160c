"""What follows from a row's samples beside its rates. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from localai.bench.cell import Cell, decode
from localai.statistics import quantile

# A percentile beyond the samples is a guess.
_LEAST_FOR_P99: Final = 100


@dataclass(frozen=True, slots=True)
class Gaps:
    """Seconds between the pieces of answers: quantiles, and the largest."""

    p50: float
    p95: float
    p99: float | None
    most: float


def gap_quantiles(cell: Cell) -> Gaps | None:
    """Over the gaps of all counted samples; None where there are none."""
    gaps = [gap for each in cell.counted for gap in each.gaps_s]
    if not gaps:
        return None
    p99 = quantile(gaps, 0.99) if len(gaps) >= _LEAST_FOR_P99 else None
    return Gaps(quantile(gaps, 0.5), quantile(gaps, 0.95), p99, max(gaps))


def bandwidth_fraction(cell: Cell) -> float | None:
    """Decoded tokens a second times the bytes that each reads, over the memory's bandwidth.

    The weights in use, and keys and values at the depth of the answer's middle. More than 1 speaks
    of the bandwidth figure, not of the model.
    """
    interval, test = cell.interval(decode), cell.test
    if interval is None or cell.active_bytes is None or not cell.bandwidth_bytes_per_s:
        return None
    depth = test.depth_tokens + test.prompt_tokens + test.output_tokens / 2
    context_bytes = (cell.context_bytes_per_token or 0) * depth
    return interval.value * (cell.active_bytes + context_bytes) / cell.bandwidth_bytes_per_s

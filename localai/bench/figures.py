"""The figures of a row besides its rates. Pure."""

from __future__ import annotations

from typing import Final

from localai.bench.cell import Cell, decode, throughput
from localai.bench.plan import Objectives
from localai.bench.recording import Sample
from localai.dataclass import dataclass
from localai.statistics import Interval, quantile

# The least samples for the 99th percentile; with fewer it would be a guess.
_LEAST_FOR_P99: Final = 100


@dataclass(frozen=True, slots=True)
class Gaps:
    """Seconds between the pieces of answers: quantiles, and the largest."""

    p50: float
    p95: float
    p99: float | None
    most: float


def gap_quantiles(cell: Cell) -> Gaps | None:
    """The quantiles of the gaps in all counted samples; None if there are no gaps."""
    gaps = [gap for each in cell.counted for gap in each.gaps_s]
    if not gaps:
        return None
    p99 = quantile(gaps, 0.99) if len(gaps) >= _LEAST_FOR_P99 else None
    return Gaps(quantile(gaps, 0.5), quantile(gaps, 0.95), p99, max(gaps))


def bandwidth_fraction(cell: Cell) -> float | None:
    """Decoded tokens a second times the bytes that each reads, over the memory's bandwidth.

    The bytes are the weights in use, and keys and values at the depth of the answer's middle. More
    than 1 means that the bandwidth figure is too low.
    """
    interval, test = cell.interval(decode), cell.test
    if interval is None or cell.active_bytes is None or not cell.bandwidth_bytes_per_s:
        return None
    depth = test.depth_tokens + test.prompt_tokens + test.output_tokens / 2
    context_bytes = (cell.context_bytes_per_token or 0) * depth
    return interval.value * (cell.active_bytes + context_bytes) / cell.bandwidth_bytes_per_s


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds to the first token over all requests of a rate: quantiles."""

    p50: float
    p95: float
    p99: float | None


def first_token_spread(cell: Cell) -> Spread | None:
    """Counted from the moment at which each request should have begun; None if the test has no
    rate."""
    found = [each.first_token_s for each in cell.succeeded if each.first_token_s is not None]
    if cell.test.rate is None or not found:
        return None
    p99 = quantile(found, 0.99) if len(found) >= _LEAST_FOR_P99 else None
    return Spread(quantile(found, 0.5), quantile(found, 0.95), p99)


def goodput(cell: Cell) -> float | None:
    """The share of all requests whose answer met its objectives; failed ones did not. None without
    objectives. The time between tokens is an answer's mean."""
    limit = cell.objectives
    if not cell.samples or (limit.first_token_s is None and limit.gap_s is None):
        return None
    good = sum(_is_good(each, limit) for each in cell.samples)
    return good / len(cell.samples)


def _is_good(sample: Sample, limit: Objectives) -> bool:
    if sample.failed is not None or sample.first_token_s is None:
        return False
    if limit.first_token_s is not None and sample.first_token_s > limit.first_token_s:
        return False
    if limit.gap_s is None or not sample.decode_tokens or sample.decode_s is None:
        return True
    return sample.decode_s / sample.decode_tokens <= limit.gap_s


def together(cell: Cell) -> Interval | None:
    """Answer tokens a second of all users together."""
    return cell.interval(throughput if cell.test.concurrency > 1 else decode)

"""One row of a benchmark: a model in an engine on one test, and its samples. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, field
from typing import Any, Final

from localai.bench.plan import LEAST_REPETITIONS, NO_OBJECTIVES, Limits, Objectives, Test
from localai.bench.quality import Quality
from localai.bench.recording import Sample
from localai.dataclass import dataclass
from localai.statistics import Interval, median_interval, slope
from localai.types import ZoneName

Metric = Callable[[Sample], float | None]

_STEADY: Final = 3
_STEADY_WITHIN: Final = 0.03
_STEADY_SLOPE: Final = 0.01
_MOST_FAILURES: Final = 3


@dataclass(frozen=True, slots=True)
class Cell:
    """The facts of one row; None is unknown.

    `settings` are those of the engine that shape its speed, by name. `memory_bytes` is the most
    memory that the engine's process had; what it has while it answers, where it also has
    `card_memory_bytes` on graphics cards (it maps the file until the card has it). `active_bytes`
    is what one token reads of the weights, `context_bytes_per_token` what it also reads for each
    token before it. `quality` is that of the model as it is computed here; None was not asked for.
    `energy_from` names what tells of energy, `idle_w` is the power before anything was loaded.
    `failed` says why there is no result.
    """

    model: str
    provider: str
    engine: str
    test: Test
    digest: str | None = None
    zone: ZoneName | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    samples: tuple[Sample, ...] = ()
    warm_ups: int = 0
    is_warm: bool = False
    memory_bytes: int | None = None
    card_memory_bytes: int | None = None
    active_bytes: int | None = None
    context_bytes_per_token: float | None = None
    bandwidth_bytes_per_s: float | None = None
    predicted_tokens_per_s: float | None = None
    objectives: Objectives = NO_OBJECTIVES
    notes: tuple[str, ...] = ()
    energy_from: tuple[str, ...] = ()
    idle_w: float | None = None
    quality: Quality | None = None
    failed: str | None = None

    @property
    def succeeded(self) -> tuple[Sample, ...]:
        """The samples that have an answer."""
        return tuple(each for each in self.samples if each.failed is None)

    @property
    def undisturbed(self) -> tuple[Sample, ...]:
        """The succeeded samples that nothing disturbed."""
        return tuple(each for each in self.succeeded if not each.disturbed)

    @property
    def counted(self) -> tuple[Sample, ...]:
        """The samples from which the figures are made: the undisturbed ones, if there are
        enough."""
        undisturbed = self.undisturbed
        return undisturbed if len(undisturbed) >= LEAST_REPETITIONS else self.succeeded

    def interval(self, metric: Metric) -> Interval | None:
        """The median of a metric over the counted samples; None if none of them has it."""
        values = [value for each in self.counted if (value := metric(each)) is not None]
        return median_interval(values) if values else None

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Any) -> Cell:
        """The cell that `as_json` wrote."""
        quality = document["quality"]
        return cls(
            **{
                **document,
                "test": Test.from_json(document["test"]),
                "samples": tuple(Sample.from_json(each) for each in document["samples"]),
                "objectives": Objectives(**document["objectives"]),
                "notes": tuple(document["notes"]),
                "energy_from": tuple(document["energy_from"]),
                "quality": None if quality is None else Quality.from_json(quality),
            }
        )


def prefill(sample: Sample) -> float | None:
    """Prompt tokens a second, on our clock."""
    return sample.prefill_tokens_per_s


def decode(sample: Sample) -> float | None:
    """Answer tokens a second, on our clock."""
    return sample.decode_tokens_per_s


def first_token(sample: Sample) -> float | None:
    """Seconds to the first token."""
    return sample.first_token_s


def first_visible(sample: Sample) -> float | None:
    """Seconds to the first token that is no reasoning."""
    return sample.first_visible_s


def throughput(sample: Sample) -> float | None:
    """Answer tokens a second of all requests together; None if there was one at a
    time."""
    return sample.throughput_tokens_per_s


def energy(sample: Sample) -> float | None:
    """Joules for each token of the answer; None where the machine does not say."""
    return sample.energy_j_per_token


def main_metric(test: Test) -> Metric:
    """The metric that a test is about: the throughput of all users, the decode rate, or the prefill
    rate if there is no answer."""
    if test.concurrency > 1 and test.output_tokens > 1:
        return throughput
    return decode if test.output_tokens > 1 else prefill


def is_steady(samples: tuple[Sample, ...], test: Test) -> bool:
    """Whether the last three lie within 3% of each other and change by less than 1% each."""
    values = [value for each in samples if (value := main_metric(test)(each)) is not None]
    last = values[-_STEADY:]
    if len(last) < _STEADY:
        return False
    middle = sorted(last)[1]
    rise = slope(range(_STEADY), last) or 0.0
    return max(last) - min(last) <= _STEADY_WITHIN * middle and abs(rise) < _STEADY_SLOPE * middle


def is_finished(cell: Cell, limits: Limits, *, out_of_time: bool) -> bool:
    """Whether a cell needs no further repetition.

    Decided by the width of the intervals, never by their values. A disturbed repetition is repeated
    while there is time, but not so often that there are twice as many in all.
    """
    count = len(cell.samples)
    if cell.failed is not None or (count >= _MOST_FAILURES and not cell.succeeded):
        return True
    if len(cell.undisturbed) < limits.least:
        return count >= (limits.least if out_of_time else 2 * limits.least)
    if count >= limits.most or out_of_time:
        return True
    metrics: tuple[Metric, ...] = (main_metric(cell.test),)
    if cell.test.prompt_tokens and cell.test.concurrency == 1:
        metrics = (prefill, decode)
    found = [interval for each in metrics if (interval := cell.interval(each)) is not None]
    return all(is_narrow(interval, limits.width) for interval in found)


def is_narrow(interval: Interval, width: float) -> bool:
    """Whether half the interval is at most that share of its value."""
    half = interval.half_width
    return half is not None and half <= width * interval.value


def server_prefill(sample: Sample) -> float | None:
    """Prompt tokens a second, on the server's clock."""
    return sample.server_prefill_tokens_per_s


def server_decode(sample: Sample) -> float | None:
    """Answer tokens a second, on the server's clock."""
    return sample.server_decode_tokens_per_s

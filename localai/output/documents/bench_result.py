"""What was measured of a model on a test: the part that the documents of `localai bench` share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from localai.output.documents.figure import FigureDocument, figure_document, interval_document
from localai.types import ZoneName

if TYPE_CHECKING:
    from localai.bench.cell import Cell, Metric
    from localai.bench.comparison import MetricChange
    from localai.bench.quality import Quality


class BenchTestDocument(TypedDict):
    """A test: its prompt, answer, depth and load."""

    prompt_tokens: Annotated[int, "prompt tokens that are computed"]
    output_tokens: Annotated[int, "answer tokens, reasoning included"]
    depth_tokens: Annotated[int, "tokens in the context before the prompt, which are not computed"]
    concurrency: Annotated[int, "the number of requests at once"]
    rate_per_s: Annotated[float | None, "requests that arrive in a second; null without a rate"]
    profile: Annotated[str, "the kind of work"]
    settings: Annotated[dict[str, Any], "the engine's settings that shape its speed"]


class BenchGapsDocument(TypedDict):
    """Times between the pieces of an answer."""

    p50: Annotated[float | None, "the median, in seconds"]
    p95: Annotated[float | None, "the 95th percentile: 19 of 20 are shorter"]
    p99: Annotated[float | None, "the 99th percentile; null under 100 gaps"]


class BenchServerDocument(TypedDict):
    """The rates by the server's own clock."""

    prefill_tokens_per_s: Annotated[FigureDocument | None, "computed prompt tokens a second"]
    decode_tokens_per_s: Annotated[FigureDocument | None, "answer tokens a second"]


class BenchQualityDocument(TypedDict):
    """The quality of a model: its predictions of a bundled text, alone and beside a reference."""

    tokens: Annotated[int, "the number of predicted tokens"]
    perplexity: Annotated[FigureDocument | None, "e to the mean loss a token; lower is better"]
    reference: Annotated[str | None, "the model with more bits; null: this is the reference"]
    perplexity_change: Annotated[FigureDocument | None, "the change, a fraction of the reference's"]
    kl_divergence: Annotated[
        FigureDocument | None, "the mean divergence from the reference, nats a token"
    ]
    kl_divergence_p99: Annotated[float | None, "the divergence that 99 of 100 tokens lie below"]
    same_top_token: Annotated[FigureDocument | None, "the share of tokens that both find likeliest"]
    kl_divergence_floor: Annotated[float | None, "the mean divergence of the reference from itself"]
    unavailable: Annotated[str | None, "the reason why a figure is missing"]


class BenchChangeDocument(TypedDict):
    """The change of a metric since another run."""

    metric: Annotated[str, "prefill_tokens_per_s or decode_tokens_per_s"]
    change: Annotated[
        FigureDocument | None, "the change as a fraction of the earlier value: -0.06 is 6% slower"
    ]
    state: Annotated[
        Literal["regressed", "improved", "same", "inconclusive", "incomparable"],
        "what the change means",
    ]
    reason: Annotated[str, "why, in a sentence"]


class BenchResultDocument(TypedDict):
    """A model in an engine on a test; rates and times by localai's clock."""

    model: Annotated[str, "the model, as `-m` takes it"]
    provider: Annotated[str, "the provider that was asked"]
    zone: Annotated[ZoneName | None, "where it was computed; null is unproven"]
    engine: Annotated[str, "engine and version"]
    digest: Annotated[str | None, "sha256:… of the model's file"]
    test: Annotated[BenchTestDocument, "what was asked"]
    prefill_tokens_per_s: Annotated[FigureDocument | None, "computed prompt tokens a second"]
    decode_tokens_per_s: Annotated[FigureDocument | None, "answer tokens a second"]
    time_to_first_token_s: Annotated[
        FigureDocument | None, "seconds from the request to the first token, by localai's clock"
    ]
    time_to_first_visible_s: Annotated[
        FigureDocument | None, "seconds from the request to the first token that is no reasoning"
    ]
    inter_token_s: Annotated[BenchGapsDocument | None, "seconds between pieces of the answer"]
    server: Annotated[BenchServerDocument, "the rates by the server's own clock"]
    throughput_tokens_per_s: Annotated[
        FigureDocument | None, "answer tokens a second of all requests together"
    ]
    goodput: Annotated[float | None, "the share of requests that met the objectives"]
    cached_tokens: Annotated[int | None, "prompt tokens that were read from a cache"]
    memory_bytes: Annotated[int | None, "the resident memory of the process"]
    card_memory_bytes: Annotated[
        int | None, "what the process has of graphics cards' memory, where the driver says so"
    ]
    bandwidth_fraction: Annotated[
        float | None, "the share of the memory's bandwidth that decoding used"
    ]
    energy_j_per_token: Annotated[
        FigureDocument | None, "joules of the whole machine for each token of the answer"
    ]
    energy_from: Annotated[list[str], "the counters that the energy was read from"]
    idle_w: Annotated[float | None, "the power by these counters before anything was loaded"]
    predicted_tokens_per_s: Annotated[
        float | None, "the decode rate that was predicted before any measurement"
    ]
    quality: Annotated[
        BenchQualityDocument | None, "the quality, with --quality; null was not asked for"
    ]
    verdict: Annotated[Literal["quiet", "noisy", "invalid"], "what the row is worth"]
    notes: Annotated[list[str], "remarks, a sentence each"]
    comparison: Annotated[
        list[BenchChangeDocument] | None, "the changes since another run; null without such a run"
    ]


def result_document(cell: Cell, changes: Sequence[MetricChange] | None) -> BenchResultDocument:
    """A row of a run, with the changes since another run."""
    from localai.bench import cell as measured
    from localai.bench.figures import bandwidth_fraction, gap_quantiles, goodput
    from localai.bench.verdict import notes, verdict

    gaps = gap_quantiles(cell)
    last = cell.counted[-1] if cell.counted else None
    return {
        "model": cell.model,
        "provider": cell.provider,
        "zone": cell.zone,
        "engine": cell.engine,
        "digest": cell.digest,
        "test": {
            "prompt_tokens": cell.test.prompt_tokens,
            "output_tokens": cell.test.output_tokens,
            "depth_tokens": cell.test.depth_tokens,
            "concurrency": cell.test.concurrency,
            "rate_per_s": cell.test.rate,
            "profile": cell.test.profile,
            "settings": dict(cell.settings),
        },
        "prefill_tokens_per_s": _figure(cell, measured.prefill),
        "decode_tokens_per_s": _figure(cell, measured.decode),
        "time_to_first_token_s": _figure(cell, measured.first_token),
        "time_to_first_visible_s": _figure(cell, measured.first_visible),
        "inter_token_s": None
        if gaps is None
        else {"p50": gaps.p50, "p95": gaps.p95, "p99": gaps.p99},
        "server": {
            "prefill_tokens_per_s": _figure(cell, measured.server_prefill),
            "decode_tokens_per_s": _figure(cell, measured.server_decode),
        },
        "throughput_tokens_per_s": _figure(cell, measured.throughput),
        "goodput": goodput(cell),
        "cached_tokens": None if last is None else last.cached_tokens,
        "memory_bytes": cell.memory_bytes,
        "card_memory_bytes": cell.card_memory_bytes,
        "bandwidth_fraction": bandwidth_fraction(cell),
        "energy_j_per_token": _figure(cell, measured.energy),
        "energy_from": list(cell.energy_from),
        "idle_w": cell.idle_w,
        "predicted_tokens_per_s": cell.predicted_tokens_per_s,
        "quality": None if cell.quality is None else _quality(cell.quality),
        "verdict": verdict(cell),
        "notes": list(notes(cell)),
        "comparison": None
        if changes is None
        else [_change(each) for each in changes if each.cell is cell],
    }


def _quality(quality: Quality) -> BenchQualityDocument:
    return {
        "tokens": quality.tokens,
        "perplexity": interval_document(quality.perplexity),
        "reference": quality.reference,
        "perplexity_change": interval_document(quality.loss),
        "kl_divergence": interval_document(quality.divergence),
        "kl_divergence_p99": quality.divergence_p99,
        "same_top_token": interval_document(quality.same_top),
        "kl_divergence_floor": quality.floor,
        "unavailable": quality.unavailable,
    }


def _change(change: MetricChange) -> BenchChangeDocument:
    return {
        "metric": change.metric,
        "change": interval_document(change.change),
        "state": change.state,
        "reason": change.reason,
    }


def _figure(cell: Cell, metric: Metric) -> FigureDocument | None:
    interval = cell.interval(metric)
    samples = [value for each in cell.counted if (value := metric(each)) is not None]
    return None if interval is None else figure_document(interval, samples)

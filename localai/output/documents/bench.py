"""The documents of `localai bench`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from localai.output.documents.figure import FigureDocument, figure_document
from localai.types import ZoneName

if TYPE_CHECKING:
    from localai.bench.cell import Cell, Metric
    from localai.bench.comparison import MetricChange
    from localai.bench.machine_limits import Limit
    from localai.bench.quality import Quality
    from localai.bench.stored_runs import MachineNote, StoredRun
    from localai.bench.tuning import Suggestion, Suggestions
    from localai.statistics import Interval


class BenchMachineDocument(TypedDict):
    """The facts of a machine that benchmark figures depend on."""

    processor: Annotated[str | None, "the CPU"]
    cores: Annotated[float | None, "CPU cores that localai may use"]
    memory_total_bytes: Annotated[int | None, "the size of main memory"]
    bandwidth_bytes_per_s: Annotated[
        float | None, "the bandwidth of the memory that models are decoded from"
    ]
    graphics: Annotated[list[str], "the graphics processors"]
    system: Annotated[str, "operating system and architecture"]
    kernel: Annotated[str, "the operating system's kernel"]
    virtual_machine: Annotated[str | None, "the hypervisor, if the machine is virtual"]
    on_battery: Annotated[bool | None, "whether the machine ran on its battery"]
    governor: Annotated[str | None, "the governor that chooses the CPU's frequency"]
    localai: Annotated[str, "localai's version"]
    python_version: Annotated[str, "Python's version"]


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


class Bench(TypedDict):
    """`localai bench --json`, `localai bench show --json`"""

    schema: Annotated[Literal["localai.bench/1"], "the name and version of the document"]
    run: Annotated[str, "the run's name for `localai bench show`"]
    created_at: Annotated[float, "the beginning of the run, in seconds since the epoch"]
    complete: Annotated[bool, "whether the run came to its end"]
    saved_as: Annotated[str | None, "the name under which the run is kept as a baseline"]
    machine: Annotated[BenchMachineDocument, "the machine"]
    results: Annotated[list[BenchResultDocument], "a row for each model and test"]


class BenchRunDocument(TypedDict):
    """A run in the list."""

    run: Annotated[str, "the run's name for `localai bench show`"]
    created_at: Annotated[float, "the beginning of the run, in seconds since the epoch"]
    complete: Annotated[bool, "whether the run came to its end"]
    saved_as: Annotated[str | None, "the name under which the run is kept as a baseline"]
    measured: Annotated[list[str], "the models that were measured"]
    tests: Annotated[list[str], "the tests, as the table names them"]


class BenchList(TypedDict):
    """`localai bench list --json`"""

    schema: Annotated[Literal["localai.bench/1"], "the name and version of the document"]
    runs: Annotated[list[BenchRunDocument], "the runs, the newest first"]


class BenchComparison(TypedDict):
    """`localai bench compare --json`"""

    schema: Annotated[Literal["localai.bench/1"], "the name and version of the document"]
    earlier: Annotated[str, "the earlier run"]
    later: Annotated[str, "the later run"]
    results: Annotated[list[BenchResultDocument], "a row for each model and test"]


class BenchSuggestionDocument(TypedDict):
    """Settings that make something faster."""

    settings: Annotated[dict[str, Any], "values by name, as `localai config set` takes them"]
    prefill_change: Annotated[
        FigureDocument | None, "the change of the prefill rate as a fraction: 0.06 is 6% faster"
    ]
    decode_change: Annotated[
        FigureDocument | None, "the change of the decode rate as a fraction: 0.06 is 6% faster"
    ]


class BenchTune(TypedDict):
    """`localai bench tune --json`"""

    schema: Annotated[Literal["localai.bench/1"], "the name and version of the document"]
    run: Annotated[str, "the run in which each setting was changed alone"]
    results: Annotated[list[BenchResultDocument], "its rows: the settings in force, then each"]
    confirming_run: Annotated[
        str | None, "the run in which what gained was measured once more; null if nothing did"
    ]
    confirming_results: Annotated[
        list[BenchResultDocument], "its rows: the settings in force, each gain, all together"
    ]
    suggestions: Annotated[
        list[BenchSuggestionDocument], "the settings that are worth changing, the best first"
    ]
    together: Annotated[
        BenchSuggestionDocument | None,
        "all of them at once that cost nothing elsewhere; null for fewer than two",
    ]
    undecided: Annotated[
        list[BenchSuggestionDocument],
        "settings that gained, and the machine was too noisy to confirm it",
    ]


class BenchLimitDocument(TypedDict):
    """A limit of the machine itself."""

    what: Annotated[
        str, "what was measured: memory, read or copied; a model from its disk; the anchor"
    ]
    bytes_per_s: Annotated[float, "the rate"]
    measured_by: Annotated[str, "how it was measured"]


class BenchMachine(TypedDict):
    """`localai bench machine --json`"""

    schema: Annotated[Literal["localai.bench/1"], "the name and version of the document"]
    limits: Annotated[list[BenchLimitDocument], "the measured limits"]


class BenchRm(TypedDict):
    """`localai bench rm --json`"""

    schema: Annotated[Literal["localai.bench/1"], "the name and version of the document"]
    removed_runs: Annotated[list[str], "the runs that were removed"]


def bench_document(run: StoredRun, changes: Sequence[MetricChange] | None = None) -> Bench:
    """The document of `localai bench` and `localai bench show`."""
    return {
        "schema": "localai.bench/1",
        "run": run.id,
        "created_at": run.created_at,
        "complete": run.ended_at is not None,
        "saved_as": run.saved_as,
        "machine": machine_document(run.machine),
        "results": [result_document(cell, changes) for cell in run.cells],
    }


def bench_compare_document(
    before: StoredRun, after: StoredRun, changes: Sequence[MetricChange]
) -> BenchComparison:
    """The document of `localai bench compare`."""
    return {
        "schema": "localai.bench/1",
        "earlier": before.id,
        "later": after.id,
        "results": [result_document(cell, changes) for cell in after.cells],
    }


def bench_tune_document(
    run: StoredRun, confirming: StoredRun | None, found: Suggestions
) -> BenchTune:
    """The document of `localai bench tune`."""
    again = () if confirming is None else confirming.cells
    return {
        "schema": "localai.bench/1",
        "run": run.id,
        "results": [result_document(cell, None) for cell in run.cells],
        "confirming_run": None if confirming is None else confirming.id,
        "confirming_results": [result_document(cell, None) for cell in again],
        "suggestions": [_suggestion(each) for each in found.suggestions],
        "together": None if found.together is None else _suggestion(found.together),
        "undecided": [_suggestion(each) for each in found.undecided],
    }


def _suggestion(suggestion: Suggestion) -> BenchSuggestionDocument:
    return {
        "settings": dict(suggestion.settings),
        "prefill_change": _given(suggestion.changes.get("prefill_tokens_per_s")),
        "decode_change": _given(suggestion.changes.get("decode_tokens_per_s")),
    }


def _given(interval: Interval | None) -> FigureDocument | None:
    return None if interval is None else figure_document(interval, None)


def bench_machine_document(measured: Iterable[Limit]) -> BenchMachine:
    """The document of `localai bench machine`."""
    return {
        "schema": "localai.bench/1",
        "limits": [
            {"what": each.name, "bytes_per_s": each.bytes_per_s, "measured_by": each.how}
            for each in measured
        ],
    }


def bench_list_document(runs: Iterable[StoredRun]) -> BenchList:
    """The document of `localai bench list`."""
    found: list[BenchRunDocument] = [
        {
            "run": run.id,
            "created_at": run.created_at,
            "complete": run.ended_at is not None,
            "saved_as": run.saved_as,
            "measured": list(dict.fromkeys(cell.model for cell in run.cells)),
            "tests": list(dict.fromkeys(cell.test.label for cell in run.cells)),
        }
        for run in runs
    ]
    return {"schema": "localai.bench/1", "runs": found}


def bench_rm_document(removed: Sequence[str]) -> BenchRm:
    """The document of `localai bench rm`."""
    return {"schema": "localai.bench/1", "removed_runs": list(removed)}


def machine_document(machine: MachineNote) -> BenchMachineDocument:
    """The machine of a run."""
    return {
        "processor": machine.cpu,
        "cores": machine.cores,
        "memory_total_bytes": machine.memory_bytes,
        "bandwidth_bytes_per_s": machine.bandwidth_bytes_per_s,
        "graphics": list(machine.gpus),
        "system": machine.system,
        "kernel": machine.kernel,
        "virtual_machine": machine.virtual_machine,
        "on_battery": machine.on_battery,
        "governor": machine.governor,
        "localai": machine.localai,
        "python_version": machine.python,
    }


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
        "perplexity": _given(quality.perplexity),
        "reference": quality.reference,
        "perplexity_change": _given(quality.loss),
        "kl_divergence": _given(quality.divergence),
        "kl_divergence_p99": quality.divergence_p99,
        "same_top_token": _given(quality.same_top),
        "kl_divergence_floor": quality.floor,
        "unavailable": quality.unavailable,
    }


def _change(change: MetricChange) -> BenchChangeDocument:
    return {
        "metric": change.metric,
        "change": None if change.change is None else figure_document(change.change, None),
        "state": change.state,
        "reason": change.reason,
    }


def _figure(cell: Cell, metric: Metric) -> FigureDocument | None:
    interval = cell.interval(metric)
    samples = [value for each in cell.counted if (value := metric(each)) is not None]
    return None if interval is None else figure_document(interval, samples)

"""The documents of `localai bench`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from localai.output.documents.bench_result import BenchResultDocument, result_document
from localai.output.documents.figure import FigureDocument, interval_document

if TYPE_CHECKING:
    from localai.bench.comparison import MetricChange
    from localai.bench.machine_limits import Limit
    from localai.bench.stored_runs import MachineNote, StoredRun
    from localai.bench.tuning import Suggestion, Suggestions


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
        "prefill_change": interval_document(suggestion.changes.get("prefill_tokens_per_s")),
        "decode_change": interval_document(suggestion.changes.get("decode_tokens_per_s")),
    }


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

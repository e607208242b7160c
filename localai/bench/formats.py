"""Runs in the forms of other tools: Markdown, CSV, JSON Lines, Go's benchstat, llama-bench. Pure.

llama-bench measures a prompt and an answer in tests of their own, so a row becomes two of its
records: `n_prompt` at the row's depth, and `n_gen` at the depth that the prompt has made. What it
wrote is read back into rows; it times its engine's own loop, without a server.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from statistics import fmean, stdev
from typing import Any, Final

from localai.bench.cell import Cell, Metric, decode, first_token, prefill
from localai.bench.plan import Test
from localai.bench.recording import Sample
from localai.bench.remarks import (
    differing_settings,
    has_several_engines,
    remarks,
    settings_apart,
)
from localai.bench.stored_runs import MachineNote, StoredRun
from localai.bench.verdict import notes, verdict
from localai.errors import InvalidInput
from localai.units import counted
from localai.untrusted import escaped, markdown_words, sanitize_line, spreadsheet_words

_COLUMNS: Final = (
    "model",
    "engine",
    "settings",
    "test",
    "prefill_tokens_per_s",
    "prefill_low",
    "prefill_high",
    "time_to_first_token_s",
    "decode_tokens_per_s",
    "decode_low",
    "decode_high",
    "memory_bytes",
    "verdict",
    "notes",
)
_SETTINGS: Final = (
    ("threads", "n_threads"),
    ("gpu_layers", "n_gpu_layers"),
    ("kv_type", "type_k"),
    ("flash_attention", "flash_attn"),
    ("batch", "n_batch"),
    ("micro_batch", "n_ubatch"),
)
# The time of an interval grows with their square; llama-bench makes 5 where nobody says it.
_MOST_REPETITIONS: Final = 1000
_IMPORTED: Final = "imported from llama-bench: its engine's own loop, without a server"


def as_text(run: StoredRun, form: str) -> str:
    """The run in one of `FORMATS`, with a newline at its end."""
    return FORMATS[form](run)


def _markdown(run: StoredRun) -> str:
    apart = settings_apart(run.cells)
    several = ("settings",) if any(apart) else ()
    head = ("prefill tok/s", "first token", "decode tok/s", "verdict")
    lines = [
        f"| {' | '.join(('model', 'engine', *several, 'test', *head))} |",
        f"|{'---|' * len(several)}---|---|---|--:|--:|--:|---|",
    ]
    for cell, settings in zip(run.cells, apart, strict=True):
        texts = (
            cell.model,
            cell.engine,
            *([settings] if several else []),
            cell.test.label,
            _plus_minus(cell, prefill),
            _plus_minus(cell, first_token, " s", 3),
            _plus_minus(cell, decode),
            verdict(cell),
        )
        lines.append(f"| {' | '.join(map(markdown_words, texts))} |")
    machine = run.machine
    cores = "" if machine.cores is None else f", {_cores_text(machine.cores)}"
    day = time.strftime("%Y-%m-%d", time.localtime(run.created_at))
    about = f"{machine.cpu or 'an unknown processor'}{cores}, {machine.system}, {day}"
    notes = [f"- {markdown_words(text)}" for text in remarks(run.cells)]
    return "\n".join([*lines, "", markdown_words(about), *(["", *notes] if notes else [])]) + "\n"


def _cores_text(cores: float) -> str:
    return counted(cores, "core")


def _plus_minus(cell: Cell, metric: Metric, unit: str = "", places: int = 1) -> str:
    interval = cell.interval(metric)
    if interval is None:
        return ""
    half = interval.half_width
    return f"{interval.value:.{places}f}{unit}" + (f" ± {half:.{places}f}" if half else "")


def _rows(run: StoredRun) -> Iterator[dict[str, Any]]:
    for cell, settings in zip(run.cells, settings_apart(run.cells), strict=True):
        figures = [cell.interval(each) for each in (prefill, first_token, decode)]
        one, first, two = figures
        values = (
            cell.model,
            cell.engine,
            settings,
            cell.test.label,
            *((one.value, one.low, one.high) if one else (None, None, None)),
            None if first is None else first.value,
            *((two.value, two.low, two.high) if two else (None, None, None)),
            cell.memory_bytes,
            verdict(cell),
            "; ".join(notes(cell)),
        )
        yield dict(zip(_COLUMNS, values, strict=True))


def _csv(run: StoredRun) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in _rows(run):
        texts = {name: spreadsheet_words(v) for name, v in row.items() if isinstance(v, str)}
        writer.writerow(row | texts)
    return text.getvalue()


def _jsonl(run: StoredRun) -> str:
    return "".join(escaped(json.dumps(row, ensure_ascii=False)) + "\n" for row in _rows(run))


def _benchstat(run: StoredRun) -> str:
    """Go's benchmark format, a line a sample, for `benchstat old.txt new.txt`."""
    lines = [f"cpu: {sanitize_line(run.machine.cpu or 'unknown')}"]
    has_several = has_several_engines(run.cells)
    for cell, settings in zip(run.cells, differing_settings(run.cells), strict=True):
        engine = {"engine": cell.engine} if has_several else {}
        named = {"model": cell.model, **engine, "test": cell.test.label, **settings}
        name = "/".join(
            f"{key}={re.sub(r'[^A-Za-z0-9._-]+', '_', str('auto' if v is None else v))}"
            for key, v in named.items()
        )
        for title, metric in (("Prefill", prefill), ("Decode", decode)):
            lines += [
                f"Benchmark{title}/{name} 1 {value:.4f} tok/s"
                for each in cell.counted
                if (value := metric(each)) is not None
            ]
    return "\n".join(lines) + "\n"


def _llama_bench(run: StoredRun) -> str:
    records = [record for cell in run.cells for record in _records(cell, run)]
    return json.dumps(records, indent=2, ensure_ascii=False) + "\n"


def _records(cell: Cell, run: StoredRun) -> Iterator[dict[str, Any]]:
    test = cell.test
    spans = [each.first_token_s for each in cell.counted if each.prefill_tokens_per_s]
    if test.prompt_tokens and spans:
        yield _record(cell, run, test.prompt_tokens, 0, test.depth_tokens, prefill)
    if any(decode(each) for each in cell.counted):
        depth = test.depth_tokens + test.prompt_tokens
        yield _record(cell, run, 0, test.output_tokens, depth, decode)


def _record(
    cell: Cell, run: StoredRun, prompt: int, output: int, depth: int, metric: Metric
) -> dict[str, Any]:
    rates = [value for each in cell.counted if (value := metric(each)) is not None]
    spans = [round((prompt or output) / rate * 1e9) for rate in rates]
    settings = cell.settings
    return {
        "build_commit": cell.engine,
        "cpu_info": run.machine.cpu,
        "gpu_info": ", ".join(run.machine.gpus),
        "model_filename": cell.model,
        "n_threads": settings.get("threads"),
        "type_k": settings.get("kv_type", "f16"),
        "type_v": settings.get("kv_type", "f16"),
        "n_gpu_layers": settings.get("gpu_layers"),
        "n_prompt": prompt,
        "n_gen": output,
        "n_depth": depth,
        "test_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(run.created_at)),
        "avg_ns": round(fmean(spans)),
        "stddev_ns": round(stdev(spans)) if len(spans) > 1 else 0,
        "avg_ts": fmean(rates),
        "stddev_ts": stdev(rates) if len(rates) > 1 else 0.0,
        "samples_ns": spans,
        "samples_ts": rates,
    }


FORMATS: Final[Mapping[str, Callable[[StoredRun], str]]] = {
    "md": _markdown,
    "csv": _csv,
    "jsonl": _jsonl,
    "benchstat": _benchstat,
    "llama-bench": _llama_bench,
}
"""What a run may be written as, by the name that is typed."""


def read_llama_bench(text: str, name: str) -> tuple[MachineNote, tuple[Cell, ...]]:
    """The machine and rows of what `llama-bench -o json` or `-o jsonl` wrote into the file `name`.

    Raises InvalidInput for anything else.
    """
    records = _parsed(text, name)
    try:
        cells = tuple(_cell(record) for record in records)
        first = records[0]
        cpu = first.get("cpu_info")
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _not_llama_bench(name) from error
    machine = MachineNote(
        cpu=cpu if isinstance(cpu, str) and cpu else None,
        cores=None,
        memory_bytes=None,
        bandwidth_bytes_per_s=None,
        gpus=tuple(each for each in str(first.get("gpu_info") or "").split(", ") if each),
        system="",
        kernel="",
        virtual_machine=None,
        on_battery=None,
        governor=None,
        localai="",
        python="",
    )
    return machine, cells


def _parsed(text: str, name: str) -> list[Any]:
    try:
        if text.lstrip().startswith("["):
            found = json.loads(text)
        else:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise _not_llama_bench(name) from error
    if not isinstance(found, list) or not found:
        raise _not_llama_bench(name)
    return found


def _not_llama_bench(name: str) -> InvalidInput:
    return InvalidInput(
        f"{name} is not what llama-bench writes", hint="llama-bench -m MODEL.gguf -o json > FILE"
    )


def _cell(record: Mapping[str, Any]) -> Cell:
    prompt, output = int(record["n_prompt"]), int(record["n_gen"])
    if min(prompt, output) < 0 or prompt + output == 0 or (prompt and output):
        raise ValueError("a record is of a prompt or of an answer")
    spans = [float(each) / 1e9 for each in record["samples_ns"][:_MOST_REPETITIONS]]
    if len(record["samples_ns"]) > _MOST_REPETITIONS:
        raise ValueError("so many repetitions nobody makes")
    if not all(0 < each < math.inf for each in spans):
        raise ValueError("a span is a number above 0")
    if not isinstance(record.get("n_threads", 0), int | None):
        raise TypeError("n_threads is a number")
    settings = {key: value for key, name in _SETTINGS if (value := record.get(name)) is not None}
    if not all(isinstance(value, str | int | float) for value in settings.values()):
        raise TypeError("a setting is a text, a number, yes or no")
    build = " ".join(str(record[k]) for k in ("build_commit", "build_number") if record.get(k))
    model = str(record["model_filename"]).rpartition("/")[2]
    return Cell(
        model=model,
        provider="llama-bench",
        engine=f"llama-bench {build}".strip(),
        test=Test(prompt, output, int(record.get("n_depth") or 0)),
        settings=settings,
        samples=tuple(_sample(number, span, record) for number, span in enumerate(spans)),
        warm_ups=1,
        is_warm=True,
        notes=(_IMPORTED,),
    )


def _sample(number: int, span_s: float, record: Mapping[str, Any]) -> Sample:
    prompt, depth = int(record["n_prompt"]), int(record.get("n_depth") or 0)
    if prompt:
        return Sample(
            number,
            input_tokens=depth + prompt,
            cached_tokens=depth,
            prefill_tokens=prompt,
            first_token_s=span_s,
        )
    # Each of its tokens is one of the loop: the first is not another's.
    return Sample(
        number,
        input_tokens=depth,
        cached_tokens=depth,
        output_tokens=int(record["n_gen"]),
        decode_tokens=int(record["n_gen"]),
        decode_s=span_s,
        finish_reason="length",
    )

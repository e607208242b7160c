"""Runs in the forms of other tools, and what llama-bench wrote."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from localai.bench.formats import as_text, read_llama_bench
from localai.errors import InvalidInput
from tests.bench.test_comparison import BASE, cell, run
from tests.support.command import RunLocalai

# The fields that count of what llama-bench b6400 wrote, two tests with three repetitions.
LLAMA_BENCH = [
    {
        "build_commit": "6d8dcd1",
        "build_number": 6400,
        "cpu_info": "AMD EPYC",
        "gpu_info": "",
        "model_filename": "models/SmolLM2-135M-Instruct.Q4_1.gguf",
        "n_threads": 2,
        "type_k": "f16",
        "n_prompt": 512,
        "n_gen": 0,
        "n_depth": 0,
        "samples_ns": [1600000000, 1610000000, 1590000000],
        "samples_ts": [320.0, 318.0, 322.0],
    },
    {
        "build_commit": "6d8dcd1",
        "build_number": 6400,
        "cpu_info": "AMD EPYC",
        "gpu_info": "",
        "model_filename": "models/SmolLM2-135M-Instruct.Q4_1.gguf",
        "n_threads": 2,
        "type_k": "f16",
        "n_prompt": 0,
        "n_gen": 128,
        "n_depth": 512,
        "samples_ns": [1024000000, 1024000000, 1024000000],
        "samples_ts": [125.0, 125.0, 125.0],
    },
]


def test_llama_bench_is_read(run_localai: RunLocalai, tmp_path: Path) -> None:
    file = tmp_path / "llama-bench.json"
    file.write_text(json.dumps(LLAMA_BENCH))
    result = run_localai("bench", "import", file, "--json")
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)["results"]
    assert [row["model"] for row in rows] == ["SmolLM2-135M-Instruct.Q4_1.gguf"] * 2
    assert rows[0]["prefill_tokens_per_s"]["value"] == pytest.approx(320)
    assert rows[1]["decode_tokens_per_s"]["value"] == pytest.approx(125)
    assert rows[1]["test"]["depth_tokens"] == 512
    assert rows[1]["engine"] == "llama-bench 6d8dcd1 6400"
    assert rows[1]["verdict"] == "noisy", "three repetitions have no interval"
    # And written as it was.
    written = json.loads(run_localai("bench", "export", "last").stdout)
    assert [(r["n_prompt"], r["n_gen"], r["n_depth"]) for r in written] == [
        (512, 0, 0),
        (0, 128, 512),
    ]
    assert written[0]["samples_ns"] == LLAMA_BENCH[0]["samples_ns"]


def test_a_row_becomes_a_prompt_and_an_answer_at_its_depth() -> None:
    records = json.loads(as_text(run(cell(BASE)), "llama-bench"))
    assert [(r["n_prompt"], r["n_gen"], r["n_depth"]) for r in records] == [
        (512, 0, 0),
        (0, 128, 512),
    ]
    assert records[0]["avg_ts"] == pytest.approx(256)
    assert records[1]["samples_ts"] == pytest.approx(BASE)
    machine, cells = read_llama_bench(json.dumps(records), "x")
    assert machine.cpu == "a CPU"
    assert len(cells) == 2


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "[1]", '[{"n_prompt": 1}]', '{"a": 1}', "[" * 100_000]
)
def test_what_is_not_llama_benchs_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not what llama-bench writes"):
        read_llama_bench(text, "file.json")


@pytest.mark.parametrize("name", ["n_threads", "type_k", "n_gpu_layers", "flash_attn", "n_batch"])
@pytest.mark.parametrize("value", [{}, [5], {"a": 1}])
def test_a_setting_that_is_no_setting_is_refused(name: str, value: object) -> None:
    text = json.dumps([{**LLAMA_BENCH[0], name: value}])
    with pytest.raises(InvalidInput, match="is not what llama-bench writes"):
        read_llama_bench(text, "file.json")


def test_the_other_forms() -> None:
    measured = run(cell(BASE, model="a|b"))
    rows = list(csv.DictReader(io.StringIO(as_text(measured, "csv"))))
    assert rows[0]["model"] == "a|b"
    assert float(rows[0]["decode_tokens_per_s"]) == pytest.approx(100.05)
    (line,) = as_text(measured, "jsonl").splitlines()
    assert json.loads(line)["test"] == "pp512 tg128"
    markdown = as_text(measured, "md")
    assert "| a\\|b | e 1 | pp512 tg128 | 256.0 | 2.000 s | 100.0 ± 1.0 | quiet |" in markdown
    assert "a CPU, 2 cores, Linux x86_64" in markdown
    lines = as_text(measured, "benchstat").splitlines()
    assert lines[0] == "cpu: a CPU"
    assert lines.count("BenchmarkDecode/model=a_b/test=pp512_tg128 1 100.0000 tok/s") == 1
    assert len(lines) == 1 + 2 * len(BASE)


def test_a_hostile_name_has_one_line_and_no_escape_in_any_form() -> None:
    name = "a\x1b[2J\x9b1m\u202e\n# b ![x](http:..192.0.2.1) <img src=x>"
    measured = run(cell(BASE, model=name, engine=name))
    formula = run(cell(BASE, model="=HYPERLINK(1)"))
    assert "\n'=HYPERLINK(1)," in as_text(formula, "csv")
    for form in ("md", "csv", "jsonl", "benchstat"):
        text = as_text(measured, form)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]|^# b", text), form
    assert "\\[x\\]" in as_text(measured, "md")
    assert "\\<img" in as_text(measured, "md")

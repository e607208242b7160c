"""A benchmark's report: what is in it, and that it is one page alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from localai.bench.cell import Cell
from localai.bench.comparison import compared
from localai.bench.formats import as_text
from localai.bench.plan import Test
from localai.bench.sweeps import sweeps
from localai.output.bench_report import report
from tests.bench.test_comparison import BASE, cell, run
from tests.support.command import RunLocalai
from tests.support.terminal import Terminal


def test_a_report_shows_results_curves_samples_and_machine() -> None:
    deep = [
        cell(
            [rate * factor for rate in BASE],
            test=Test(512, 128, depth),
            active_bytes=10**8,
            bandwidth_bytes_per_s=5e10,
        )
        for depth, factor in ((0, 1.0), (4096, 0.6), (16384, 0.3))
    ]
    text = report(run(*deep))
    for said in (
        "pp512 tg128 @4096",
        "100 ± 1",
        "Decode by depth",
        "The memory's limit",
        "a CPU",
        "every sample",
        "quiet",
    ):
        assert said in text
    assert text.count("<polyline") >= 4
    assert text.startswith("<!doctype html>")


def test_a_report_loads_nothing_and_believes_no_name() -> None:
    text = report(run(cell(BASE, model="<script>alert(1)</script>")))
    assert "<script" not in text
    assert not re.search(r"(src|href)=|url\(|@import|https?://(?!www\.w3\.org)", text)


def test_a_report_has_what_became_of_the_rows() -> None:
    before, after = run(cell(BASE)), run(cell([0.8 * rate for rate in BASE]))
    text = report(after, compared(before, after))
    assert "Since the baseline" in text
    # From 0 in the middle of 100, on a scale that ends at the widest interval.
    [bar] = re.findall(r'<rect x="([\d.]+)" y="2" width="([\d.]+)" height="6" class="bad">', text)
    assert 0 <= float(bar[0]) < 10
    assert float(bar[0]) + float(bar[1]) < 30
    assert '<span class="bad">regressed</span>' in text
    assert "-20%" in text


def test_a_report_has_the_energy_of_a_token_where_the_machine_tells() -> None:
    def told(joules: float) -> Cell:
        row = cell(BASE, energy_from=("package-0",), idle_w=8.0)
        samples = [replace(s, energy_j=joules, energy_tokens=128.0) for s in row.samples]
        return replace(row, samples=tuple(samples))

    page = report(run(told(64.0), told(32.0)))
    assert "<h2>Energy</h2>" in page
    assert "0.50 ± 0 J/token" in page
    assert "energy: package-0; 8.00 W before the run, not taken off" in page
    widths = re.findall(r'<rect width="([\d.]+)" height="10" class="series-1">', page)
    assert widths == ["100.0", "50.0"], "half as much is half as long"
    assert "Energy" not in report(run(cell(BASE)))


def test_a_bar_is_as_long_as_its_share_on_any_screen() -> None:
    rows = [cell(BASE, active_bytes=10**8, bandwidth_bytes_per_s=each) for each in (2e10, 4e10)]
    page = report(run(*rows))
    widths = re.findall(r'<rect width="([\d.]+)" height="10" class="series-1">', page)
    assert [float(each) for each in widths] == pytest.approx([50, 25], abs=0.1)
    assert page.count('viewBox="0 0 100 10" preserveAspectRatio="none"') == 2
    assert "100 of 200 tok/s, 50%" in page


def test_rows_under_other_settings_are_told_apart_everywhere() -> None:
    rising = [96.0 + rate for rate in range(8)]
    varied = run(*(cell(rising, settings={"threads": n}, is_warm=n == 2) for n in (1, 2)))
    page = report(varied)
    assert page.count("m pp512 tg128, threads 1") > len(rising), "each of its samples, and its line"
    assert "m pp512 tg128, threads 1: not steady after 3 warm-ups" in page
    for form, said in (("md", "| threads 2 |"), ("csv", ",threads 2,"), ("benchstat", "threads=2")):
        assert said in as_text(varied, form)


def test_what_holds_for_all_rows_is_said_once() -> None:
    rising = [96.0 + rate for rate in range(8)]
    page = report(run(*(cell(rising, settings={"threads": n}, is_warm=False) for n in (1, 2))))
    assert page.count("not steady after 3 warm-ups") == 1


def test_what_was_varied_is_a_curve_and_what_was_not_is_none() -> None:
    rows = [
        cell(BASE, settings={"threads": 1}),
        cell(BASE, settings={"threads": 2}),
        cell(BASE, settings={"threads": 2}, test=Test(1024, 128)),
    ]
    found = {sweep.title: sweep for sweep in sweeps(rows)}
    assert set(found) == {"Prefill by length", "Decode by threads"}
    (curve,) = found["Decode by threads"].curves
    assert [x for x, _ in curve.points] == [1, 2]
    assert list(sweeps([cell(BASE)])) == []


def test_the_report_of_a_kept_run_is_written(run_localai: RunLocalai, tmp_path: Path) -> None:
    records = tmp_path / "x.json"
    records.write_text(
        '[{"n_prompt": 64, "n_gen": 0, "model_filename": "m.gguf", "samples_ns": [1e9, 1e9]}]'
    )
    assert run_localai("bench", "import", records).returncode == 0
    page = tmp_path / "report.html"
    assert run_localai("bench", "show", "last", "--html", page).returncode == 0
    assert "m.gguf" in page.read_text()
    missing = run_localai("bench", "--html", tmp_path / "none" / "x.html")
    assert missing.returncode == 2


def test_rows_of_several_engines_are_told_apart_by_their_engine_alone() -> None:
    measured = run(
        cell(BASE, engine="xllamacpp 1", settings={"kv_type": "f16", "draft": "lookup"}),
        cell([0.5 * rate for rate in BASE], engine="Ollama", settings={}),
    )
    page = report(measured)
    for engine in ("xllamacpp 1", "Ollama"):
        assert f"<small>pp512 tg128, {engine}</small>" in page
    assert "f16" not in page, "that is no difference between rows of one engine"
    lines = as_text(measured, "benchstat").splitlines()[1:]
    assert {line.split("/")[2] for line in lines} == {"engine=xllamacpp_1", "engine=Ollama"}
    assert ",Ollama,,pp512 tg128," in as_text(measured, "csv")


def test_a_terminal_of_100_columns_shows_the_engines(
    pty: Callable[..., Terminal], localai_home: Path, tmp_path: Path
) -> None:
    records = [
        {
            "build_commit": engine,
            "model_filename": "qwen3:8b",
            "n_prompt": 512,
            "n_gen": 0,
            "samples_ns": [5_000_000_000 + each * 10_000_000 for each in range(6)],
        }
        for engine in ("xllamacpp 2026.10.11549", "another")
    ]
    (tmp_path / "both.json").write_text(json.dumps(records))
    shown = pty("bench", "import", tmp_path / "both.json", columns=100)
    assert shown.wait_exit() == 0
    heading, first, second, *_ = shown.screen.splitlines()
    assert heading.split()[:2] == ["model", "engine"]
    assert "llama-bench xllamacpp 2026.10.11549" in first
    assert "llama-bench another" in second
    assert re.search(r"kept as (\w+): localai bench show \1", shown.screen)

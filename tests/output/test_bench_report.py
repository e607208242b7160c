"""A benchmark's report: what is in it, and that it is one page alone."""

from __future__ import annotations

import re
from pathlib import Path

from localai.bench.comparison import compared
from localai.bench.formats import as_text
from localai.bench.plan import Test
from localai.bench.sweeps import sweeps
from localai.output.bench_report import report
from tests.bench.test_comparison import BASE, cell, run
from tests.support.command import RunLocalai


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
    assert '<span class="bad">regressed</span>' in text
    assert "-20%" in text


def test_rows_under_other_settings_are_told_apart_everywhere() -> None:
    varied = run(*(cell(BASE, settings={"threads": n}, is_warm=n == 2) for n in (1, 2)))
    page = report(varied)
    assert page.count("m pp512 tg128, threads 1") > len(BASE), "each of its samples, and its line"
    assert "m pp512 tg128, threads 1: not steady after 3 warm-ups" in page
    for form, said in (("md", "| threads 2 |"), ("csv", ",threads 2,"), ("benchstat", "threads=2")):
        assert said in as_text(varied, form)


def test_what_holds_for_all_rows_is_said_once() -> None:
    page = report(run(*(cell(BASE, settings={"threads": n}, is_warm=False) for n in (1, 2))))
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

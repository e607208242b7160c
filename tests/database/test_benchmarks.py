"""Kept benchmarks: which run a name means."""

from __future__ import annotations

from pathlib import Path

from localai.database import Database


def test_a_baseline_is_the_last_run_that_was_saved_so(tmp_path: Path) -> None:
    database = Database(tmp_path / "localai.db")
    first, second = database.create_bench_run({}), database.create_bench_run({})
    database.save_bench_run(first, "main")
    assert database.find_bench_run("main").id == first
    database.save_bench_run(second, "main")
    assert database.find_bench_run("main").id == second
    assert [run.saved_as for run in database.bench_runs()] == ["main", None]
    database.close()

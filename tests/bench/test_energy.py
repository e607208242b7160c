"""Energy in a benchmark: a column only where the machine tells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from localai.bench.cell import Cell
from localai.output.bench import show_run
from localai.output.documents.bench_result import result_document
from localai.output.output import Output
from tests.bench.test_comparison import BASE, cell, run
from tests.output.screen import Screen


def told(**changes: object) -> Cell:
    whole = cell(BASE, energy_from=("package-0 (0)",), idle_w=8.0, **changes)
    samples = tuple(
        replace(each, energy_j=64.0, energy_s=3.0, energy_tokens=128.0) for each in whole.samples
    )
    return replace(whole, samples=samples)


def test_joules_are_for_each_token_of_the_answer() -> None:
    document = result_document(told(), None)
    figure = document["energy_j_per_token"]
    assert figure is not None
    assert figure["value"] == 0.5
    assert document["energy_from"] == ["package-0 (0)"]
    assert document["idle_w"] == 8.0
    unknown = result_document(cell(BASE), None)
    assert (unknown["energy_j_per_token"], unknown["idle_w"]) == (None, None)


def shown(row: Cell, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(Output, "columns", 200)
    screen = Screen(200, 40)
    show_run(Output("bench", stdout=screen), run(row))
    return "\n".join(screen.lines)


def test_the_column_is_there_where_something_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(told(), monkeypatch)
    assert "J/token" in text
    assert "energy: package-0 (0); 8.00 W before the run, not taken off" in text
    assert "J/token" not in shown(cell(BASE), monkeypatch)

"""Benchmarks for a person: the table, the remarks on it, the line of progress."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from localai.output.bench_figures import (
    bounds_text,
    energy_remarks,
    first_text,
    number_text,
    percent_text,
    rate_text,
)
from localai.output.bench_quality import show_quality
from localai.output.table import Column, Row
from localai.units import UNKNOWN, day_and_minute, memory_text, seconds_text

if TYPE_CHECKING:
    from localai.bench.cell import Cell
    from localai.bench.comparison import MetricChange
    from localai.bench.progress import Progress
    from localai.bench.stored_runs import StoredRun
    from localai.output.output import Output
    from localai.statistics import Interval

_PHASES: Final = {
    "loading": "loading",
    "fitting": "finding texts of the right length",
    "warming": "warming up",
    "measuring": "measuring",
    "scoring": "reading a text with",
}


def show_run(output: Output, run: StoredRun, *, beside: bool = True) -> None:
    """Show the table of a run and the remarks on its rows. With `beside`, also compare the rows of
    the same model and test."""
    from localai.bench.remarks import remarks, settings_apart

    cells = run.cells
    rows = zip(cells, settings_apart(cells), strict=True)
    shown = output.table(_columns(cells), [Row(_cells(cell, apart)) for cell, apart in rows])
    show_quality(output, cells)
    energy = energy_remarks(cells) if "J/token" in shown else ()
    qualifying = [*energy, *remarks(cells)]
    if qualifying:
        output.line("")
    for line in qualifying:
        output.paragraph(line, style="dim")
    for text in (*(_beside(cells) if beside else ()), *_knees(cells)):
        output.paragraph(text)
    for line in _plots(output, cells):
        output.line(line)
    if run.machine.on_battery:
        output.paragraph("on battery", style="dim")


def _plots(output: Output, cells: Sequence[Cell]) -> Iterator[str]:
    """The curves of the sweeps, on a terminal."""
    if not output.on_terminal:
        return
    from localai.bench.sweeps import sweeps
    from localai.output.bench_report import sweep_series
    from localai.output.plots import terminal_plot

    for sweep in sweeps(cells):
        yield ""
        series = sweep_series(sweep)
        columns = min(output.columns, 100)
        yield from terminal_plot(series, columns=columns, x=sweep.x, y=sweep.y)


def _beside(cells: Sequence[Cell]) -> Iterator[str]:
    """The comparisons of the rows of one model and test, pair by pair."""
    from localai.bench.comparison import beside

    for first, other, metric, change in beside(cells):
        name = _distinct(other, first)
        what = "prefill" if metric.startswith("prefill") else "decode"
        if not change.excludes(0.0):
            yield f"{name} beside {_distinct(first, other)}: {what} no different"
            continue
        yield (
            f"{name} beside {_distinct(first, other)}: {what} {percent_text(change.value)}"
            f"{bounds_text(change)}"
        )


def _knees(cells: Sequence[Cell]) -> Iterator[str]:
    """For each model, engine, setting and test, from how many users on the total hardly grows."""
    from dataclasses import replace

    from localai.bench.remarks import row_names

    alone = [replace(cell, test=replace(cell.test, concurrency=1)) for cell in cells]
    groups: dict[str, list[Cell]] = {}
    for cell, name in zip(cells, row_names(alone), strict=True):
        groups.setdefault(name, []).append(cell)
    for name, rows in groups.items():
        if len({row.test.concurrency for row in rows}) > 1:
            yield f"{name}: {_knee_text(rows)}"


def _knee_text(rows: Sequence[Cell]) -> str:
    from localai.bench.knee import knee

    found = knee(rows)
    if found is None:
        return "where more users get no more together cannot be told: a row is not quiet"
    users, change = found.of.test.concurrency, percent_text(found.change)
    if found.at is None:
        return f"more users still get more together ({users} at a time {change})"
    return (
        f"{found.at.test.concurrency} at a time is where it levels off;"
        f" {users} at a time get {change} together"
    )


def _distinct(cell: Cell, other: Cell) -> str:
    """The settings in which a row differs from another row of the same model and test."""
    if cell.engine != other.engine or cell.provider != other.provider:
        return cell.engine
    changed = [
        f"{name} {value}"
        for name, value in cell.settings.items()
        if other.settings.get(name) != value
    ]
    return ", ".join(changed) or cell.model


def show_changes(
    output: Output, before: StoredRun, after: StoredRun, changes: Sequence[MetricChange]
) -> None:
    """Show the changes of each row, metric by metric."""
    from localai.bench.remarks import has_several_engines, settings_apart

    apart = dict(zip(map(id, after.cells), settings_apart(after.cells), strict=True))
    columns = (
        Column("model"),
        Column("engine", only_piped=not has_several_engines(after.cells)),
        Column("settings", only_piped=not any(apart.values())),
        Column("test"),
        Column("metric"),
        Column("change", right=True),
        Column("interval", right=True, drop=2),
        Column("state"),
        Column("reason", wraps=True, drop=1),
    )
    name = before.saved_as or before.id
    if not changes:
        output.line(f"nothing to compare with {name}: the later benchmark has no figure")
        return
    output.line(f"beside {name} of {_day(before.created_at)}:")
    rows = []
    for each in changes:
        interval = each.change
        bounds = ""
        if interval is not None and interval.low is not None and interval.high is not None:
            bounds = f"{percent_text(interval.low)} to {percent_text(interval.high)}"
        rows.append(
            [
                each.cell.model,
                each.cell.engine,
                apart.get(id(each.cell), ""),
                each.cell.test.label,
                "prefill" if each.metric.startswith("prefill") else "decode",
                UNKNOWN if interval is None else percent_text(interval.value),
                bounds,
                each.state,
                each.reason,
            ]
        )
    output.table(columns, rows)


def _day(at: float) -> str:
    return day_and_minute(at)


def _columns(cells: Sequence[Cell]) -> list[Column]:
    from localai.bench.cell import first_token, first_visible
    from localai.bench.remarks import has_several_engines, settings_apart

    thinks = any(
        _differ(cell.interval(first_token), cell.interval(first_visible)) for cell in cells
    )
    crowded = any(cell.test.concurrency > 1 for cell in cells)
    tells = any(cell.energy_from for cell in cells)
    return [
        Column("model"),
        Column("engine", drop=0 if has_several_engines(cells) else 6),
        Column("settings", only_piped=not any(settings_apart(cells))),
        Column("test"),
        Column("prefill tok/s", right=True, label="prefill"),
        Column("first token", right=True, drop=3),
        Column("first visible", right=True, drop=4, only_piped=not thinks),
        Column("decode tok/s", right=True, label="decode tok/s"),
        Column("together tok/s", right=True, label="together", only_piped=not crowded),
        Column("memory", right=True, drop=5),
        Column("of the bandwidth", right=True, drop=7, label="of limit"),
        Column("J/token", right=True, drop=6, only_piped=not tells),
        Column("predicted", right=True, drop=8),
        Column("verdict"),
    ]


def _cells(cell: Cell, apart: str) -> list[str]:
    from localai.bench.cell import decode, energy, first_token, first_visible, prefill
    from localai.bench.figures import bandwidth_fraction, together
    from localai.bench.verdict import verdict

    fraction = bandwidth_fraction(cell)
    return [
        cell.model,
        cell.engine,
        apart,
        cell.test.label,
        rate_text(cell.interval(prefill)) if cell.test.prompt_tokens else UNKNOWN,
        first_text(cell.interval(first_token)),
        first_text(cell.interval(first_visible)),
        rate_text(cell.interval(decode)) if cell.test.output_tokens > 1 else UNKNOWN,
        rate_text(together(cell)) if cell.test.output_tokens > 1 else UNKNOWN,
        memory_text(cell.memory_bytes, cell.card_memory_bytes),
        UNKNOWN if fraction is None else f"{fraction:.0%}",
        rate_text(cell.interval(energy)),
        UNKNOWN
        if cell.predicted_tokens_per_s is None
        else number_text(cell.predicted_tokens_per_s),
        verdict(cell),
    ]


def _differ(one: Interval | None, other: Interval | None) -> bool:
    return one is not None and other is not None and other.value > 1.05 * one.value


def progress_text(progress: Progress) -> str:
    """`measuring SmolLM2 pp512 tg128, 4 of 6: decode 118 ± 2 tok/s, about 12s left`."""
    parts = [f"{_PHASES[progress.phase]} {progress.model} {progress.test}".rstrip()]
    if progress.phase == "warming" and progress.done:
        parts[0] += f", {progress.done} so far"
    if progress.phase == "measuring":
        parts[0] += f", {progress.done} of {progress.wanted}"
        if progress.decode is not None:
            parts.append(f"decode {rate_text(progress.decode)} tok/s")
        elif progress.prefill is not None:
            parts.append(f"prefill {rate_text(progress.prefill)} tok/s")
    if progress.phase == "scoring":
        parts[0] += f", {progress.done}%"
    if progress.left_s is not None:
        parts.append(f"about {seconds_text(progress.left_s)} left")
    return " · ".join(parts)


RUN_COLUMNS: Final = (
    Column("id"),
    Column("when"),
    Column("saved as", drop=1),
    Column("models", wraps=True),
    Column("tests", wraps=True, drop=2),
    Column("rows", right=True, drop=3),
)


def run_row(run: StoredRun) -> list[str]:
    """A run as a row of the list."""
    from localai.bench.stored_runs import models_of

    when = _day(run.created_at)
    rows = str(len(run.cells)) + ("" if run.ended_at is not None else ", broken off")
    tests = ", ".join(dict.fromkeys(cell.test.label for cell in run.cells))
    return [run.id, when, run.saved_as or "", models_of(run.cells), tests, rows]

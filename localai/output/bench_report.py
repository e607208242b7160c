"""A benchmark as one HTML page that needs no network: tables, curves, samples, machine. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

from localai.bench.cell import Cell, decode, energy, first_token, prefill
from localai.bench.figures import bandwidth_fraction, gap_quantiles, together
from localai.bench.remarks import has_several_engines, remarks, row_names, told_apart
from localai.bench.sweeps import Sweep, sweeps
from localai.bench.verdict import verdict
from localai.output.bars import Bar, Range, bars, ranges
from localai.output.bench_figures import (
    energy_remarks,
    first_text,
    number_text,
    percent_text,
    rate_text,
)
from localai.output.bench_quality import QUALITY_COLUMNS, quality_remarks, quality_rows
from localai.output.html import Child, Markup, details, element, page, section, table
from localai.output.plots import Series, chart
from localai.output.table import Column
from localai.units import (
    UNKNOWN,
    bandwidth_text,
    bytes_text,
    day_and_minute,
    memory_text,
    time_text,
)

if TYPE_CHECKING:
    from localai.bench.comparison import MetricChange
    from localai.bench.stored_runs import StoredRun


_KINDS: Final[Mapping[str, Literal["good", "bad"]]] = {"regressed": "bad", "improved": "good"}


def report(run: StoredRun, changes: Sequence[MetricChange] | None = None) -> str:
    """The whole page. `changes` are the changes of the rows since another run."""
    when = day_and_minute(run.created_at)
    models = ", ".join(dict.fromkeys(cell.model for cell in run.cells))
    return page(
        f"How fast: {models}",
        element("p", f"Measured on {when} with localai {run.machine.localai}.", class_="soft"),
        section("Results", _results(run.cells), _notes(run.cells)),
        _quality(run.cells),
        _changes(changes, run.cells) if changes else None,
        _curves(run.cells),
        _limits(run.cells),
        _energy(run.cells),
        section("Every repetition", _samples(run.cells)),
        section("The machine", _machine(run)),
        section("How to read it", _reading()),
        footer="Made by localai bench. This page loads nothing and sends nothing.",
    )


def _results(cells: Sequence[Cell]) -> Markup:
    crowded = any(cell.test.concurrency > 1 for cell in cells)
    apart = told_apart(cells)
    tells = any(cell.energy_from for cell in cells)
    is_one_engine = not has_several_engines(cells)
    columns: list[str | Column] = [
        "row",
        *_numbers("decode tok/s", "prefill tok/s", "first token"),
        *_numbers(*["together tok/s"] * crowded, *["J/token"] * tells),
        *_numbers("predicted", "memory"),
        "verdict",
        *["engine"] * is_one_engine,
    ]
    rows = []
    for cell, settings in zip(cells, apart, strict=True):
        predicted = cell.predicted_tokens_per_s
        row: list[Child] = [
            _named(cell, settings),
            rate_text(cell.interval(decode)) if cell.test.output_tokens > 1 else UNKNOWN,
            rate_text(cell.interval(prefill)) if cell.test.prompt_tokens else UNKNOWN,
            first_text(cell.interval(first_token)),
            *([rate_text(together(cell))] if crowded else []),
            *([rate_text(cell.interval(energy))] if tells else []),
            UNKNOWN if predicted is None else number_text(predicted),
            memory_text(cell.memory_bytes, cell.card_memory_bytes),
            element("span", verdict(cell), class_="good" if verdict(cell) == "quiet" else "bad"),
            *[cell.engine] * is_one_engine,
        ]
        rows.append(row)
    return table(columns, rows)


def _numbers(*names: str) -> list[Column]:
    return [Column(name, right=True) for name in names]


def _named(cell: Cell, settings: str) -> list[Child]:
    """The name of a row in two lines, so that a narrow screen has room for a figure beside it."""
    test = ", ".join(each for each in (cell.test.label, settings) if each)
    return [cell.model, element("br"), element("small", test)]


def _notes(cells: Sequence[Cell]) -> Markup | None:
    notes = [element("li", text) for text in remarks(cells)]
    return element("ul", notes, class_="soft") if notes else None


def _quality(cells: Sequence[Cell]) -> Markup | None:
    notes = [element("p", text, class_="soft") for text in quality_remarks(cells)]
    if not notes:
        return None
    rows: list[list[Child]] = [[*row] for row in quality_rows(cells)]
    shown = table(QUALITY_COLUMNS, rows) if rows else None
    return section("What it costs in quality", shown, notes)


def _changes(changes: Sequence[MetricChange], cells: Sequence[Cell]) -> Markup:
    rows: list[list[Child]] = []
    drawn: list[Range] = []
    apart = dict(zip(map(id, cells), told_apart(cells), strict=True))
    for each in changes:
        interval, bounds = each.change, ""
        if interval is not None and interval.low is not None and interval.high is not None:
            bounds = f"{percent_text(interval.low)} to {percent_text(interval.high)}"
        kind = _KINDS.get(each.state)
        name = _named(each.cell, apart.get(id(each.cell), ""))
        metric = "prefill" if each.metric.startswith("prefill") else "decode"
        if interval is not None and interval.low is not None and interval.high is not None:
            low, value, high = interval.low, interval.value, interval.high
            text = f"{metric} {percent_text(value)}, {each.state}"
            drawn.append(Range(name, low, value, high, text, kind))
        rows.append(
            [
                name,
                metric,
                UNKNOWN if interval is None else percent_text(interval.value),
                bounds,
                element("span", each.state, class_=kind),
                each.reason,
            ]
        )
    numbers = _numbers("change", "interval")
    return section(
        "Since the baseline",
        ranges(drawn) if drawn else None,
        details(
            "the figures",
            table(["row", "metric", *numbers, "state", "reason"], rows),
            open=not drawn,
        ),
    )


def _curves(cells: Sequence[Cell]) -> Markup | None:
    drawn = [element("div", drawn_sweep(each), _figures(each)) for each in sweeps(cells)]
    return section("Curves", drawn) if drawn else None


def drawn_sweep(sweep: Sweep) -> Markup | None:
    """A sweep as a chart, with its intervals as bands."""
    return chart(sweep.title, sweep_series(sweep), x=sweep.x, y=sweep.y)


def sweep_series(sweep: Sweep) -> list[Series]:
    """The lines of a sweep."""
    return [
        Series(
            curve.name,
            tuple((x, figure.value) for x, figure in curve.points),
            tuple(
                None if f.low is None or f.high is None else (f.low, f.high)
                for _, f in curve.points
            ),
        )
        for curve in sweep.curves
    ]


def _figures(sweep: Sweep) -> Markup:
    rows = [
        [curve.name, number_text(x), rate_text(figure)]
        for curve in sweep.curves
        for x, figure in curve.points
    ]
    return details("the figures", table(["model", *_numbers(sweep.x, sweep.y)], rows))


def _limits(cells: Sequence[Cell]) -> Markup | None:
    """How near each model's decoding comes to the limit set by the memory's bandwidth."""
    shown = []
    for settings, cell in zip(told_apart(cells), cells, strict=True):
        fraction, rate = bandwidth_fraction(cell), cell.interval(decode)
        if fraction is not None and rate is not None:
            limit = number_text(rate.value / fraction)
            text = f"{number_text(rate.value)} of {limit} tok/s, {fraction:.0%}"
            shown.append(Bar(_named(cell, settings), fraction, text))
    if not shown:
        return None
    meaning = "What decoding would reach if it did nothing but read weights, keys and values."
    return section("The memory's limit", element("p", meaning), bars(shown, most=1.0))


def _energy(cells: Sequence[Cell]) -> Markup | None:
    """What a token of each row takes, where the machine tells."""
    shown = [
        Bar(
            _named(cell, settings),
            taken.value,
            f"{rate_text(taken)} J/token",
            None if taken.low is None or taken.high is None else (taken.low, taken.high),
        )
        for settings, cell in zip(told_apart(cells), cells, strict=True)
        if (taken := cell.interval(energy)) is not None
    ]
    if not shown:
        return None
    remarked = [element("p", text, class_="soft") for text in energy_remarks(cells)]
    return section(
        "Energy",
        element("p", "Of the whole machine, the prompt's part included."),
        bars(shown),
        remarked,
    )


def _samples(cells: Sequence[Cell]) -> Iterator[Markup]:
    names = row_names(cells)
    rates = [
        Series(
            name,
            tuple(
                (number + 1.0, value)
                for number, each in enumerate(cell.samples)
                if (value := decode(each) or prefill(each)) is not None
            ),
        )
        for name, cell in list(zip(names, cells, strict=True))[:6]
    ]
    drawn = chart("Tokens a second", rates, x="repetition", y="tok/s")
    if drawn is not None:
        yield drawn
    rows: list[list[Child]] = []
    for name, cell in zip(names, cells, strict=True):
        for number, each in enumerate(cell.samples, 1):
            rows.append(
                [
                    name,
                    str(number),
                    _number(prefill(each)),
                    time_text(each.first_token_s, 3),
                    _number(decode(each)),
                    each.failed or "; ".join(each.disturbed),
                ]
            )
    numbers = _numbers("repetition", "prefill", "first token", "decode")
    yield details("every sample", table(["row", *numbers, "what disturbed it"], rows))
    gaps = [
        (_named(cell, settings), found)
        for settings, cell in zip(told_apart(cells), cells, strict=True)
        if (found := gap_quantiles(cell)) is not None
    ]
    if gaps:
        yield table(
            ["between tokens", *_numbers("median", "95%", "99%", "longest")],
            [[name, *map(_ms, (g.p50, g.p95, g.p99, g.most))] for name, g in gaps],
        )


def _ms(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else f"{seconds * 1000:.1f} ms"


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else number_text(value)


def _machine(run: StoredRun) -> Markup:
    machine = run.machine
    bandwidth = machine.bandwidth_bytes_per_s
    rows = [
        ["processor", machine.cpu or UNKNOWN],
        ["cores", UNKNOWN if machine.cores is None else f"{machine.cores:g}"],
        ["memory", bytes_text(machine.memory_bytes)],
        ["bandwidth", UNKNOWN if bandwidth is None else bandwidth_text(bandwidth)],
        ["graphics", ", ".join(machine.gpus) or "none"],
        ["system", f"{machine.system} {machine.kernel}".strip() or UNKNOWN],
        ["virtual machine", machine.virtual_machine or "none known"],
        ["battery", {True: "on battery", False: "no", None: UNKNOWN}[machine.on_battery]],
    ]
    return table(["what", "which"], rows)


def _reading() -> list[Markup]:
    return [
        element(
            "p",
            "A figure is the median of all repetitions and half of its 95% interval.",
            " Two whose intervals overlap are not different.",
        ),
        element(
            "p",
            "Quiet rows may be compared. Noisy ones were disturbed or differ too much;"
            " invalid ones say nothing of speed. Under the table stands why.",
        ),
    ]

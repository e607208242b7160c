"""Lines over an axis: drawn on a terminal with braille dots, and as SVG for a report. Pure.

    for line in terminal_plot([Series("qwen3:8b", ((1, 41.0), (2, 60.0)))], columns=60): …
    section("Speed", chart("Depth", [series], x="tokens in the context", y="tok/s"))

Both begin their vertical axis at zero, so that a line twice as high is twice as much. Meaning does
not rest on colour: each line has its mark, its name and, in a report, its figures in a table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from localai.dataclass import dataclass
from localai.output.html import Markup, element

Point = tuple[float, float]
_At = Callable[[Point], Point]


@dataclass(frozen=True, slots=True)
class Series:
    """A named line. `bounds` are the low and high of each point's interval, if it has one."""

    name: str
    points: tuple[Point, ...]
    bounds: tuple[tuple[float, float] | None, ...] = ()


_MARKS: Final = "●■▲◆○□"
_BRAILLE: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def nice_ticks(most: float, wanted: int = 4) -> tuple[float, ...]:
    """Round numbers from 0 to at least `most`, about `wanted` steps of 1, 2 or 5 times a power of
    ten. 0 and 1 if `most` is 0."""
    if not most > 0:
        return (0.0, 1.0)
    raw = most / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= raw * 0.999999)
    return tuple(step * number for number in range(math.ceil(most / step - 1e-9) + 1))


def number_label(value: float) -> str:
    """A number on an axis: `0`, `0.25`, `120`, `1.5M`. Numbers of tokens are written as they are
    typed, 4,096 as `4k`."""
    if value >= 1024 and value % 1024 == 0:
        return f"{value / 1024:g}k"
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 2 or abs(value) == size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"


def terminal_plot(
    series: Sequence[Series], *, columns: int, rows: int = 10, x: str = "", y: str = ""
) -> Iterator[str]:
    """The lines of the plot, none wider than `columns`: the axis with its name, the curves, the
    names of the series. Empty for fewer than two values of x."""
    xs = sorted({point[0] for each in series for point in each.points})
    if len(xs) < 2:
        return
    ticks = nice_ticks(max((point[1] for each in series for point in each.points), default=0))
    labels = [number_label(tick) for tick in ticks]
    margin = max(map(len, labels)) + 2
    width = max(10, columns - margin - 1)
    canvas = _Canvas(width, rows)
    for number, each in enumerate(series):
        places = [
            (_place(px, xs) * (width - 1), (1 - py / ticks[-1]) * (rows - 1))
            for px, py in each.points
        ]
        for one, two in pairwise(places):
            canvas.line(one, two)
        for place in places:
            canvas.mark(place, _MARKS[number % len(_MARKS)])
    if y:
        yield y
    at_row = {
        round((1 - tick / ticks[-1]) * (rows - 1)): label
        for tick, label in zip(ticks, labels, strict=True)
    }
    for row, text in enumerate(canvas.lines()):
        label = at_row.get(row, "")
        yield f"{label:>{margin - 2}} {'┤' if label else '│'}{text}".rstrip()
    yield " " * (margin - 1) + "└" + "─" * width
    yield from _x_axis(xs, width, margin, x)
    for number, each in enumerate(series):
        yield f"{' ' * margin}{_MARKS[number % len(_MARKS)]} {each.name}"[:columns]


def _x_axis(xs: Sequence[float], width: int, margin: int, name: str) -> Iterator[str]:
    line = [" "] * (width + margin + 1)
    free = 0
    for value in xs:
        label = number_label(value)
        at = margin + round(_place(value, xs) * (width - 1)) - len(label) // 2
        at = max(0, min(at, len(line) - len(label)))
        if at >= free:
            line[at : at + len(label)] = label
            free = at + len(label) + 1
    yield "".join(line).rstrip()
    if name:
        yield " " * margin + name


def _place(value: float, xs: Sequence[float]) -> float:
    """The position of a value between the first and the last, 0 to 1. Logarithmic if all are
    positive and far apart, as depths and numbers of users are, and not evenly so, as repetitions
    are."""
    low, high = xs[0], xs[-1]
    is_even = (xs[1] - low) * (len(xs) - 1) == high - low
    if low > 0 and high / low >= 8 and not is_even:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


class _Canvas:
    """Cells of 2 by 4 dots each; a mark takes a whole cell."""

    def __init__(self, width: int, rows: int) -> None:
        self._width, self._rows = width, rows
        self._dots = [[0] * width for _ in range(rows)]
        self._marks: dict[tuple[int, int], str] = {}

    def line(self, one: Point, two: Point) -> None:
        steps = max(2, int(4 * max(abs(two[0] - one[0]), abs(two[1] - one[1])) + 1))
        for step in range(steps + 1):
            share = step / steps
            self._dot(
                one[0] + share * (two[0] - one[0]) + 0.5, one[1] + share * (two[1] - one[1]) + 0.5
            )

    def mark(self, at: Point, mark: str) -> None:
        self._marks[round(at[1]), round(at[0])] = mark

    def lines(self) -> Iterator[str]:
        for row, dots in enumerate(self._dots):
            yield "".join(
                self._marks.get((row, column)) or (chr(0x2800 + each) if each else " ")
                for column, each in enumerate(dots)
            )

    def _dot(self, x: float, y: float) -> None:
        column, row = int(x), int(y)
        if 0 <= column < self._width and 0 <= row < self._rows:
            self._dots[row][column] |= _BRAILLE[int(4 * (y - row))][int(2 * (x - column))]


# The same as SVG.

# So small that its texts are readable on a phone.
_WIDTH: Final = 480
_HEIGHT: Final = 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 24, 18, 44


def chart(title: str, series: Sequence[Series], *, x: str, y: str) -> Markup | None:
    """A chart of the series with their intervals as bands; None for fewer than two values of x."""
    xs = sorted({point[0] for each in series for point in each.points})
    if len(xs) < 2:
        return None
    highest = max(
        max((point[1] for each in series for point in each.points), default=0.0),
        max((bound[1] for each in series for bound in each.bounds if bound), default=0.0),
    )
    ticks = nice_ticks(highest)

    def at(point: Point) -> tuple[float, float]:
        across = _LEFT + _place(point[0], xs) * (_WIDTH - _LEFT - _RIGHT)
        up = point[1] / ticks[-1] * (_HEIGHT - _TOP - _BOTTOM)
        return round(across, 1), round(_HEIGHT - _BOTTOM - up, 1)

    drawn = [_svg_axis(ticks, xs, at), _axis_names(x, y)]
    for number, each in enumerate(series):
        drawn.append(_svg_series(each, f"series-{number % 6 + 1}", at))
    names = [
        element(
            "span",
            element(
                "svg",
                element("rect", width=12, height=12, class_=f"series-{number % 6 + 1}"),
                width=12,
                height=12,
                aria_hidden="true",
            ),
            f" {each.name} ",
        )
        for number, each in enumerate(series)
    ]
    label = f"{title}: {', '.join(each.name for each in series)}"
    return element(
        "figure",
        element("figcaption", title, " ", names if len(series) > 1 else series[0].name),
        element("svg", drawn, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=label),
    )


def _svg_axis(ticks: Sequence[float], xs: Sequence[float], at: _At) -> Iterator[Markup]:
    for tick in ticks:
        _, y = at((xs[0], tick))
        yield element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="axis")
        yield element("text", number_label(tick), x=_LEFT - 6, y=y + 4, text_anchor="end")
    last = -1e9
    for value in xs:
        x, y = at((value, 0))
        if x - last >= 36:
            last = x
            yield element("text", number_label(value), x=x, y=y + 16, text_anchor="middle")


def _axis_names(x: str, y: str) -> Iterator[Markup]:
    middle = _LEFT + (_WIDTH - _LEFT - _RIGHT) / 2
    yield element("text", x, x=middle, y=_HEIGHT - 8, text_anchor="middle")
    yield element("text", y, x=_LEFT, y=11, text_anchor="start")


def _svg_series(series: Series, colour: str, at: _At) -> Iterator[Markup]:
    bounds = [
        (point[0], bound)
        for point, bound in zip(series.points, series.bounds, strict=False)
        if bound is not None
    ]
    if len(bounds) > 1:
        there = [at((x, bound[1])) for x, bound in bounds]
        back = [at((x, bound[0])) for x, bound in reversed(bounds)]
        yield element("polygon", points=_points([*there, *back]), class_=f"band {colour}")
    places = [at(point) for point in series.points]
    yield element("polyline", points=_points(places), class_=f"line {colour}")
    for (x, y), point in zip(places, series.points, strict=True):
        label = f"{series.name}: {number_label(point[0])}, {number_label(point[1])}"
        yield element("circle", element("title", label), cx=x, cy=y, r=3.5, class_=colour)


def _points(places: Sequence[Point]) -> str:
    return " ".join(f"{x},{y}" for x, y in places)

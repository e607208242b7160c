"""Bars beside each other in a report: how long, or from where to where. Pure.

    bars([Bar("qwen3:8b", 0.93, "93%")], most=1.0)
    ranges([Range("qwen3:8b", -0.11, -0.10, -0.085, "-10%", "bad")])

Each has its name and its figure as text over it, in HTML, so that they wrap on a narrow screen; the
bar itself is as wide as the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from localai.dataclass import dataclass
from localai.output.html import Child, Markup, element

_WIDTH: Final = 100
_HEIGHT: Final = 10
_LEAST_SCALE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the length `value`. `text` is the figure, `bounds` its interval."""

    name: Child
    value: float
    text: str
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """A change from `low` to `high` around `value`, as fractions. `text` is the figure."""

    name: Child
    low: float
    value: float
    high: float
    text: str
    kind: Literal["good", "bad"] | None = None


def bars(shown: Sequence[Bar], *, most: float | None = None) -> Markup:
    """Bars from 0 to `most`, the largest of them if it is not said; a longer one ends there."""
    highest = most or max((each.bounds or (0.0, each.value))[1] for each in shown) or 1.0

    def at(value: float) -> float:
        return round(_WIDTH * min(1.0, value / highest), 2)

    def drawn(each: Bar) -> list[Markup]:
        parts = [
            element("rect", width=_WIDTH, height=_HEIGHT, class_="ground"),
            element("rect", width=at(each.value), height=_HEIGHT, class_="series-1"),
        ]
        if each.bounds is not None:
            low, high = map(at, each.bounds)
            width = round(max(high - low, 0.4), 2)
            parts.append(element("rect", x=low, y=4, width=width, height=2, class_="whisker"))
        return parts

    return _block([(each.name, each.text, drawn(each)) for each in shown])


def ranges(shown: Sequence[Range]) -> Markup:
    """Ranges around 0, which is in the middle; all on one scale."""
    widest = max(max(abs(each.low), abs(each.high)) for each in shown)
    scale = max(widest, _LEAST_SCALE)

    def at(value: float) -> float:
        return round(_WIDTH / 2 * (1 + value / scale), 2)

    def drawn(each: Range) -> list[Markup]:
        low, width = at(each.low), round(max(at(each.high) - at(each.low), 0.4), 2)
        return [
            element("rect", width=_WIDTH, height=_HEIGHT, class_="ground"),
            element("rect", x=_WIDTH / 2 - 0.15, width=0.3, height=_HEIGHT, class_="whisker"),
            element("rect", x=low, y=2, width=width, height=6, class_=each.kind or "series-1"),
            element("rect", x=at(each.value) - 0.2, width=0.4, height=_HEIGHT, class_="whisker"),
        ]

    return _block([(each.name, each.text, drawn(each)) for each in shown])


def _block(rows: Sequence[tuple[Child, str, list[Markup]]]) -> Markup:
    return element(
        "div",
        [
            element(
                "div",
                element("p", element("span", name), element("span", text, class_="number")),
                element(
                    "svg",
                    drawn,
                    viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
                    preserveAspectRatio="none",
                    role="img",
                    aria_label=text,
                ),
            )
            for name, text, drawn in rows
        ],
        class_="bars",
    )

"""What the rows of a run show when one thing was varied: curves over depth, prompt, users, threads.

Pure; draws nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from localai.bench.cell import Cell, decode, first_token, prefill
from localai.bench.figures import together
from localai.dataclass import dataclass
from localai.statistics import Interval

_LEAST_POINTS: Final = 2
# As in the label of a test.
_SHORT: Final = {
    "model": "{}",
    "engine": "{}",
    "prompt_tokens": "pp{}",
    "output_tokens": "tg{}",
    "depth_tokens": "@{}",
    "concurrency": "{} at a time",
}


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a sweep: what was varied, and the figure there."""

    name: str
    points: tuple[tuple[float, Interval], ...]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Curves over the same thing, with the names of both axes."""

    title: str
    x: str
    y: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is varied, by its name in `_facts`, and which figure is drawn over it."""

    title: str
    x: str
    y: str
    varied: str
    figure: Callable[[Cell], Interval | None]


_KINDS: Final = (
    _Kind(
        "Decode by depth",
        "tokens in the context before",
        "decode, tok/s",
        "depth_tokens",
        lambda cell: cell.interval(decode),
    ),
    _Kind(
        "Prefill by length",
        "prompt tokens",
        "prefill, tok/s",
        "prompt_tokens",
        lambda cell: cell.interval(prefill),
    ),
    _Kind(
        "Together by users",
        "users at a time",
        "together, tok/s",
        "concurrency",
        together,
    ),
    _Kind(
        "First token by users",
        "users at a time",
        "first token, s",
        "concurrency",
        lambda cell: cell.interval(first_token),
    ),
    _Kind(
        "Decode by threads",
        "threads",
        "decode, tok/s",
        "threads",
        lambda cell: cell.interval(decode),
    ),
)


def sweeps(cells: Sequence[Cell]) -> Iterator[Sweep]:
    """Every sweep that the rows make: something that has at least two values while all else is
    the same."""
    for kind in _KINDS:
        curves = tuple(_curves(cells, kind))
        if curves:
            yield Sweep(kind.title, kind.x, kind.y, curves)


def _curves(cells: Sequence[Cell], kind: _Kind) -> Iterator[Curve]:
    groups: dict[Any, list[Cell]] = {}
    for cell in cells:
        without = {name: fact for name, fact in _facts(cell).items() if name != kind.varied}
        groups.setdefault(tuple(without.items()), []).append(cell)
    drawn = {facts: points for facts, rows in groups.items() if (points := _points(rows, kind))}
    apart = _apart([dict(facts) for facts in drawn], len({cell.engine for cell in cells}) > 1)
    for facts, points in drawn.items():
        labels = [_fact_text(name, fact) for name, fact in facts if name in apart]
        yield Curve(", ".join(labels), points)


def _points(rows: Sequence[Cell], kind: _Kind) -> tuple[tuple[float, Interval], ...]:
    """The figures by place; empty where there are too few for a curve."""
    found = {
        float(place): figure
        for row in rows
        if (place := _facts(row).get(kind.varied)) is not None
        and (figure := kind.figure(row)) is not None
    }
    enough = len(found) >= _LEAST_POINTS
    return tuple(sorted(found.items(), key=lambda each: each[0])) if enough else ()


def _apart(groups: Sequence[dict[str, Any]], several_engines: bool) -> set[str]:
    """The names of the facts that tell curves apart; the model is always among them."""
    names = {name for facts in groups for name in facts}
    differ = {name for name in names if len({facts.get(name) for facts in groups}) > 1}
    return {"model", *differ, *(["engine"] if several_engines else ())}


def _facts(cell: Cell) -> dict[str, Any]:
    """What a row was measured under; a setting that was not set is left out."""
    settings = {
        name: str(value) for name, value in sorted(cell.settings.items()) if value is not None
    }
    return {"model": cell.model, "engine": cell.engine, **cell.test.as_json(), **settings}


def _fact_text(name: str, fact: Any) -> str:
    return _SHORT[name].format(fact) if name in _SHORT else f"{name} {fact}"

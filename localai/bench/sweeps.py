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
    """What is varied, which figure is drawn over it, and what a row is without it."""

    title: str
    x: str
    y: str
    place: Callable[[Cell], float | None]
    figure: Callable[[Cell], Interval | None]
    without: Callable[[Cell], Any]


def _test_without(name: str) -> Callable[[Cell], Any]:
    def without(cell: Cell) -> Any:
        test = {**cell.test.as_json(), name: None}
        return tuple(test.items()), tuple(sorted(_settings(cell).items()))

    return without


def _settings(cell: Cell) -> dict[str, str]:
    return {name: str(value) for name, value in cell.settings.items()}


def _without_threads(cell: Cell) -> Any:
    settings = _settings(cell)
    settings.pop("threads", None)
    return cell.test, tuple(sorted(settings.items()))


def _threads(cell: Cell) -> float | None:
    threads = cell.settings.get("threads")
    return None if threads is None else float(threads)


_KINDS: Final = (
    _Kind(
        "Decode by depth",
        "tokens in the context before",
        "decode, tok/s",
        lambda cell: cell.test.depth_tokens,
        lambda cell: cell.interval(decode),
        _test_without("depth_tokens"),
    ),
    _Kind(
        "Prefill by length",
        "prompt tokens",
        "prefill, tok/s",
        lambda cell: cell.test.prompt_tokens,
        lambda cell: cell.interval(prefill),
        _test_without("prompt_tokens"),
    ),
    _Kind(
        "Together by users",
        "users at a time",
        "together, tok/s",
        lambda cell: cell.test.concurrency,
        together,
        _test_without("concurrency"),
    ),
    _Kind(
        "First token by users",
        "users at a time",
        "first token, s",
        lambda cell: cell.test.concurrency,
        lambda cell: cell.interval(first_token),
        _test_without("concurrency"),
    ),
    _Kind(
        "Decode by threads",
        "threads",
        "decode, tok/s",
        _threads,
        lambda cell: cell.interval(decode),
        _without_threads,
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
        groups.setdefault((cell.model, cell.engine, kind.without(cell)), []).append(cell)
    engines = {cell.engine for cell in cells}
    for (model, engine, _), rows in groups.items():
        points = {
            place: figure
            for row in rows
            if (place := kind.place(row)) is not None and (figure := kind.figure(row)) is not None
        }
        if len(points) >= _LEAST_POINTS:
            name = model if len(engines) == 1 else f"{model}, {engine}"
            yield Curve(name, tuple(sorted(points.items(), key=lambda each: each[0])))

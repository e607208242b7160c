"""What is said below a table of rows: in which settings they differ, what qualifies them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from localai.bench.cell import Cell
from localai.bench.verdict import notes


def differing_settings(cells: Sequence[Cell]) -> list[Mapping[str, Any]]:
    """For each row, the settings in which the rows of its model in its engine differ; None is the
    engine's choice."""

    def differing(cell: Cell) -> Mapping[str, Any]:
        others = [
            each.settings
            for each in cells
            if (each.model, each.engine) == (cell.model, cell.engine)
        ]
        return {
            name: value
            for name, value in cell.settings.items()
            if any(other.get(name) != value for other in others)
        }

    return [differing(cell) for cell in cells]


def settings_apart(cells: Sequence[Cell]) -> list[str]:
    """`differing_settings` as texts: `threads auto, kv_type q8_0`."""
    return [
        ", ".join(f"{name} {'auto' if value is None else value}" for name, value in each.items())
        for each in differing_settings(cells)
    ]


def has_several_engines(cells: Sequence[Cell]) -> bool:
    """Whether the rows were measured in more than one engine."""
    return len({cell.engine for cell in cells}) > 1


def told_apart(cells: Sequence[Cell]) -> list[str]:
    """What tells each row from others of its model and test: its engine, if there are several, and
    its `settings_apart`."""
    several = has_several_engines(cells)
    return [
        ", ".join(each for each in (cell.engine if several else "", settings) if each)
        for cell, settings in zip(cells, settings_apart(cells), strict=True)
    ]


def row_names(cells: Sequence[Cell]) -> list[str]:
    """A name for each row: `qwen3:8b pp512 tg128, threads 2`."""
    return [
        ", ".join(each for each in (f"{cell.model} {cell.test.label}", apart) if each)
        for cell, apart in zip(cells, told_apart(cells), strict=True)
    ]


def remarks(cells: Sequence[Cell]) -> Iterator[str]:
    """The remarks on the rows: those that hold for all once, the others behind their row."""
    found = [notes(cell) for cell in cells]
    shared = [note for note in found[0] if all(note in each for each in found)] if cells else []
    yield from shared
    for name, own in zip(row_names(cells), found, strict=True):
        yield from (f"{name}: {note}" for note in own if note not in shared)

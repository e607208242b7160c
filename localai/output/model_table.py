"""The library as a table: a line a file, further names of the same file below it.

On a narrow terminal the columns that matter least go first, and a name that has no room stands on
a line of its own, because names are there to be copied. In a pipe every column is there, separated
by tabs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from localai.output.streams import color_wanted, is_terminal, width
from localai.output.units import UNKNOWN, bytes_text, count_text
from localai.output.untrusted import sanitize_line

if TYPE_CHECKING:
    from localai.library.available import AvailableModel

STORE_NAMES: Final[Mapping[str, str]] = {
    "localai": "localai",
    "ollama": "ollama",
    "lmstudio": "lmstudio",
    "huggingface": "hub cache",
}
_COLUMNS: Final = (
    "where",
    "size",
    "quantization",
    "parameters",
    "context",
    "used by",
    "zone",
)
_NUMBERS: Final = frozenset({"size", "parameters", "context"})
# What goes first where the terminal is narrow; where and size stay.
_DROPPED: Final = ("zone", "parameters", "used by", "context", "quantization")
_SHORT: Final = {"quantization": "quant", "parameters": "params"}
# A longer name than this has a line of its own rather than making all lines wide.
_LONGEST_BESIDE: Final = 28
_GAP: Final = "  "


def print_models(models: Sequence[AvailableModel]) -> None:
    """The table on stdout."""
    if not is_terminal(sys.stdout):
        for row in (["name", *_COLUMNS], *(_piped_row(each) for each in models)):
            print("\t".join(row))
        return
    for line in _lines(models, width(), dim=color_wanted(sys.stdout)):
        print(line)


def _lines(models: Sequence[AvailableModel], columns: int, *, dim: bool) -> list[str]:
    cells = [_cells(each) for each in models]
    names = [_names(each) for each in models]
    beside = [len(name) for group in names for name, _ in group if len(name) <= _LONGEST_BESIDE]
    room = max(beside, default=len("name"))
    shown = list(_COLUMNS)
    for dropped in _DROPPED:
        if columns - _taken(cells, shown) >= room:
            break
        shown.remove(dropped)
    room = max(8, min(room, columns - _taken(cells, shown)))
    begin, end = ("\x1b[2m", "\x1b[0m") if dim else ("", "")
    header = _row("name", {each: _label(each) for each in shown}, room, cells, shown)
    lines = [f"{begin}{header}{end}"]
    for group, cell in zip(names, cells, strict=True):
        for number, (name, where) in enumerate(group):
            values = {**cell, "where": where} if number == 0 else {"where": where}
            if "zone" not in shown and number == 0 and cell["zone"] != "device":
                values["where"] = f"{where} ({cell['zone']})"
            if len(name) > room:
                lines.append(name)
                name = ""
            lines.append(_row(name, values, room, cells, shown))
    return lines


def _row(
    name: str,
    values: Mapping[str, str],
    room: int,
    cells: Sequence[Mapping[str, str]],
    shown: Sequence[str],
) -> str:
    parts = [f"{name:<{room}}"]
    for column in shown:
        value, size = values.get(column, ""), _width(cells, column)
        parts.append(f"{value:>{size}}" if column in _NUMBERS else f"{value:<{size}}")
    return _GAP.join(parts).rstrip()


def _taken(cells: Sequence[Mapping[str, str]], shown: Sequence[str]) -> int:
    return sum(len(_GAP) + _width(cells, column) for column in shown)


def _width(cells: Sequence[Mapping[str, str]], column: str) -> int:
    return max([len(_label(column)), *(len(cell[column]) for cell in cells)])


def _label(column: str) -> str:
    return _SHORT.get(column, column)


def _cells(listed: AvailableModel) -> dict[str, str]:
    model = listed.model
    engines = [f"{name}*" if name in listed.loaded_by else name for name in listed.engines]
    return {
        "where": max((where for _, where in _names(listed)), key=len),
        "size": bytes_text(model.size_bytes),
        "quantization": sanitize_line(model.quantization or UNKNOWN),
        "parameters": sanitize_line(model.parameters or UNKNOWN),
        "context": count_text(model.context_limit),
        "used by": ", ".join(engines) or UNKNOWN,
        "zone": "unproven" if model.zone is None else model.zone.label,
    }


def _names(listed: AvailableModel) -> list[tuple[str, str]]:
    """Each name of the model, and where it has it; those after the first are marked as others."""
    if not listed.places:
        return [(sanitize_line(listed.model.id), listed.model.provider)]
    return [
        (f"{'' if number == 0 else '= '}{sanitize_line(place.name)}", STORE_NAMES[place.store])
        for number, place in enumerate(listed.places)
    ]


def _piped_row(listed: AvailableModel) -> list[str]:
    cells = _cells(listed)
    if listed.places:
        first = listed.places[0].name
        cells["where"] = ",".join(
            place.store if place.name == first else f"{place.store}={sanitize_line(place.name)}"
            for place in listed.places
        )
    return [sanitize_line(listed.model.id), *(cells[column] for column in _COLUMNS)]

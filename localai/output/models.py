"""The models of the library as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from localai.output.output import Output
from localai.output.store_names import STORE_NAMES
from localai.output.table import Column, Row
from localai.providers.registry import full_name
from localai.units import UNKNOWN, bytes_text, count_text

if TYPE_CHECKING:
    from localai.library.available import AvailableModel

USED_BY: Final = "used by"
"""The column of the engines that open a model, with a star at those that have it in memory."""
_COLUMNS: Final = (
    Column("name"),
    Column("where"),
    Column("size", right=True),
    Column("quantization", drop=1, label="quant"),
    Column("parameters", drop=4, label="params", right=True),
    Column("context", drop=2, right=True),
    Column(USED_BY, drop=3),
    Column("zone", drop=5),
)


def print_models(models: Sequence[AvailableModel], output: Output) -> frozenset[str]:
    """The table on stdout. In a pipe, all places of a model stand in one cell. Returns the names of
    the columns that are seen."""
    columns: Sequence[Column] = _COLUMNS
    if any(_zone(each) != "device" for each in models):
        # A zone other than this machine is never left out.
        columns = tuple(replace(each, drop=0) if each.name == "zone" else each for each in columns)
    return output.table(columns, [_row(each, piped=not output.on_terminal) for each in models])


def _row(listed: AvailableModel, *, piped: bool) -> Row:
    model = listed.model
    (name, where), *others = _names(listed)
    engines = [f"{each}*" if each in listed.loaded_by else each for each in listed.providers]
    cells = [
        full_name(model.provider, model.id) if piped else name,
        _places(listed) if piped else where,
        bytes_text(model.size_bytes),
        model.quantization or UNKNOWN,
        model.parameters or UNKNOWN,
        count_text(model.context_limit),
        ", ".join(engines) or UNKNOWN,
        _zone(listed),
    ]
    rest = [""] * (len(cells) - 2)
    return Row(cells, under=[[f"= {name}", where, *rest] for name, where in others])


def _names(listed: AvailableModel) -> list[tuple[str, str]]:
    """Each name of the model, and the store that has it."""
    if not listed.places:
        return [(full_name(listed.model.provider, listed.model.id), listed.model.provider)]
    return [(place.name, STORE_NAMES[place.store]) for place in listed.places]


def _places(listed: AvailableModel) -> str:
    """`ollama,localai=other-name`: the stores, with the name if it is another one there."""
    if not listed.places:
        return listed.model.provider
    first = listed.places[0].name
    return ",".join(
        place.store if place.name == first else f"{place.store}={place.name}"
        for place in listed.places
    )


def _zone(listed: AvailableModel) -> str:
    return "unproven" if listed.model.zone is None else listed.model.zone.label

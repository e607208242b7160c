"""Which models of the hub the catalogue has already, by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from localai.formats import FileFormat
from localai.formats.model_names import bare_name
from localai.recommend.catalogue import Entry, catalogue
from localai.recommend.hub_model import HubModel
from localai.sizing.devices import gpu_kind

if TYPE_CHECKING:
    from localai.hardware.facts import Machine


def formats_of(machine: Machine) -> tuple[FileFormat, ...]:
    """The formats that an engine on `machine` reads: GGUF, and MLX where there is Metal."""
    metal = any(gpu_kind(gpu) == "apple" for gpu in machine.gpus)
    return ("gguf", "mlx") if metal else ("gguf",)


def candidates(models: Sequence[HubModel], machine: Machine) -> list[HubModel]:
    """Those of `models` that the catalogue lacks, in formats that an engine on `machine`
    reads."""
    formats = formats_of(machine)
    return [each for each in models if each.format in formats and catalogued(each) is None]


def catalogued(model: HubModel) -> Entry | None:
    """The catalogue's entry of the same model; None if it has none."""
    named = _catalogued_names()
    return named.get(bare_name(model.base or "")) or named.get(bare_name(model.repo))


@cache
def _catalogued_names() -> Mapping[str, Entry]:
    """The catalogue's entries by their bare names, those of their repositories included."""
    named = {}
    for entry in catalogue().entries:
        named[bare_name(entry.name)] = entry
        for name in (*(file.name for file in entry.files), entry.mlx or ""):
            if "/" in name:
                named[bare_name(name)] = entry
    return named

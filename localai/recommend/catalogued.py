"""Which models of the hub the catalogue has already, by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from localai.formats import FileFormat
from localai.recommend.catalogue import Entry, catalogue
from localai.recommend.hub_model import HubModel
from localai.sizing.devices import gpu_kind

if TYPE_CHECKING:
    from localai.hardware.facts import Machine

# What a repository's name adds to its model's: the format, the quantization, who packed it.
_ADDED: Final = re.compile(
    r"[-_.](gguf|mlx|bf16|fp16|fp8|[2-8][-_]?bits?|mxfp[48](-q\d)?|nvfp4|qat|q\d_[\w]+|dwq|ud|it|instruct)$"
)


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
    return named.get(_plain(model.base or "")) or named.get(_plain(model.repo))


@cache
def _catalogued_names() -> Mapping[str, Entry]:
    """The catalogue's entries by their plain names, those of their repositories included."""
    named = {}
    for entry in catalogue().entries:
        named[_plain(entry.name)] = entry
        for name in (*(file.name for file in entry.files), entry.mlx or ""):
            if "/" in name:
                named[_plain(name.rpartition(":")[0] or name)] = entry
    return named


def _plain(name: str) -> str:
    """The name of a model without its publisher, format and separators: `google/gemma-4-E2B-it` and
    `gemma4:e2b` are both gemma4e2b."""
    name = name.rpartition("/")[2].lower()
    while (shorter := _ADDED.sub("", name)) != name and shorter:
        name = shorter
    return re.sub(r"[-_:\s]", "", name)

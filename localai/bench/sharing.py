"""A run as it may be given to others: figures and the kind of machine, and nothing that names it.

No path, address, host or user, and no name that the user gave but the last part of a model's.
Sends nothing. Pure.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from localai.bench.cell import Cell
from localai.bench.quality import Quality
from localai.bench.recording import Sample
from localai.bench.stored_runs import StoredRun
from localai.providers.registry import is_registered

_FAILED: Final = "it failed"
_OF_OTHERS: Final = "endpoint"


def shareable(run: StoredRun) -> StoredRun:
    """The run without whatever could say whose it is: a model keeps the last part of its name, a
    server of one's own is called `endpoint`, and why something failed is left out."""
    machine = replace(run.machine, kernel=_version(run.machine.kernel))
    cells = tuple(map(_cell, run.cells))
    return replace(run, saved_as=None, machine=machine, plan=None, cells=cells)


def _cell(cell: Cell) -> Cell:
    ours = is_registered(cell.provider) or cell.provider == "llama-bench"
    return replace(
        cell,
        model=_last_part(cell.model),
        provider=cell.provider if ours else _OF_OTHERS,
        engine=cell.engine if ours else _OF_OTHERS,
        failed=None if cell.failed is None else _FAILED,
        quality=None if cell.quality is None else _quality(cell.quality),
        samples=tuple(map(_sample, cell.samples)),
    )


def _quality(quality: Quality) -> Quality:
    name = quality.reference
    return replace(
        quality,
        reference=None if name is None else _last_part(name),
        unavailable=None if quality.unavailable is None else _FAILED,
    )


def _last_part(model: str) -> str:
    return re.split(r"[/\\]", model)[-1]


def _sample(sample: Sample) -> Sample:
    return sample if sample.failed is None else replace(sample, failed=_FAILED)


def _version(kernel: str) -> str:
    """The numbers of a kernel: what stands behind them may be anybody's name."""
    found = re.match(r"\d+(\.\d+)*", kernel)
    return found[0] if found else ""

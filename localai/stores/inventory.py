"""Every model on this machine, each file once: what holds it, and under which names.

Reads what the stores say and the headers (remembered); asks no server, hashes nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from localai.errors import LocalaiError
from localai.files import inode_of
from localai.stores.describe import HeaderCache, describe
from localai.stores.digests import DigestCache
from localai.stores.folders import StoreName, stored_models
from localai.stores.mlx import mlx_holdings
from localai.stores.starter import STARTER, resolve_starter
from localai.types import ResolvedModel

if TYPE_CHECKING:
    from localai.paths import Paths


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model lies, and what it is called there."""

    store: StoreName
    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Holding:
    """A model on this machine and every place that has these very bytes; `model` is the first's.

    `digest` is `sha256:…` of its file where a store states it or it was computed before.
    """

    model: ResolvedModel
    places: tuple[Place, ...]
    format: Literal["gguf", "mlx"]
    digest: str | None


def holdings(paths: Paths, environ: Mapping[str, str] | None = None) -> list[Holding]:
    """Every model in the stores of this machine, ours first. What is no whole model is left out;
    what is the same file, or has the same SHA-256 as far as that is known, comes once."""
    environ = os.environ if environ is None else environ
    found: list[Holding] = []
    index: dict[tuple[object, ...], int] = {}
    for holding in _each(paths, environ):
        keys = list(_keys(holding))
        at = next((index[key] for key in keys if key in index), None)
        if at is None:
            at = len(found)
            found.append(holding)
        else:
            same = found[at]
            digest = same.digest or holding.digest
            found[at] = replace(same, places=(*same.places, *holding.places), digest=digest)
        for key in keys:
            index.setdefault(key, at)
    return found


def _each(paths: Paths, environ: Mapping[str, str]) -> Iterator[Holding]:
    headers, digests = HeaderCache(paths), DigestCache(paths)
    for stored in stored_models(paths, environ):
        with contextlib.suppress(LocalaiError, OSError):
            if stored.name == STARTER.name:
                model = resolve_starter(paths)
            else:
                model = describe(stored, headers)
            place = Place(stored.store, stored.name, stored.path)
            digest = model.digest or digests.known(stored.path)
            yield Holding(model, (place,), "gguf", digest)
    headers.save()
    for store, model in mlx_holdings(paths, environ):
        if model.path is not None:
            yield Holding(model, (Place(store, model.id, model.path),), "mlx", None)


def _keys(holding: Holding) -> Iterator[tuple[object, ...]]:
    """What tells that two holdings are one: the file itself, and its digest. A model that sees
    by a companion file is another model."""
    sees = holding.model.projector is not None
    with contextlib.suppress(OSError):
        yield (inode_of(holding.places[0].path.stat()), sees)
    if holding.digest is not None:
        yield (holding.digest, sees)

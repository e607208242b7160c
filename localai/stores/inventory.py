"""Every model on this machine, each once: in which stores it lies, and under which names.

Lists the stores and reads headers, which are remembered. Asks no server, hashes nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from localai.dataclass import dataclass
from localai.errors import LocalaiError
from localai.files import inode_of
from localai.formats.mlx_folder import read_folder
from localai.stores.describe import HeaderCache, describe, describe_folder
from localai.stores.digests import DigestCache
from localai.stores.folders import (
    StoredModel,
    StoreName,
    hub_models,
    lmstudio_models,
    own_models,
    stored_folders,
)
from localai.stores.ollama import ollama_models
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
class ModelOnDisk:
    """A model on this machine and every place that has the same bytes. `model` describes it as the
    first place has it. An `adapted` model can only be loaded by the program that keeps its store.

    `digest` is `sha256:…` of its file if a store states it or it was computed before.
    """

    model: ResolvedModel
    places: tuple[Place, ...]
    format: Literal["gguf", "mlx", "adapted"]
    digest: str | None


def models_on_disk(paths: Paths, environ: Mapping[str, str] | None = None) -> list[ModelOnDisk]:
    """Every model in the stores of this machine, ours first, each once. Files are one model if they
    share an inode or a known SHA-256. A broken model is left out."""
    environ = os.environ if environ is None else environ
    found: list[ModelOnDisk] = []
    index: dict[tuple[object, ...], int] = {}
    for model in _in_each_place(paths, environ):
        keys = list(_keys(model))
        at = next((index[key] for key in keys if key in index), None)
        if at is None:
            at = len(found)
            found.append(model)
        else:
            same = found[at]
            digest = same.digest or model.digest
            found[at] = replace(same, places=(*same.places, *model.places), digest=digest)
        for key in keys:
            index.setdefault(key, at)
    return found


def stored_models(paths: Paths, environ: Mapping[str, str] | None = None) -> Iterator[StoredModel]:
    """Every GGUF file in the stores of this machine, ours first, its header unread."""
    environ = os.environ if environ is None else environ
    yield from own_models(paths)
    yield from ollama_models(environ)
    yield from lmstudio_models()
    yield from hub_models(environ)


def names_on_disk(paths: Paths) -> frozenset[str]:
    """What the models in the stores of this machine are called, other names of theirs included."""
    files = (name for stored in stored_models(paths) for name in (stored.name, *stored.aliases))
    return frozenset((*files, *(model.id for model in mlx_models(paths))))


def gguf_models(paths: Paths, environ: Mapping[str, str] | None = None) -> list[ResolvedModel]:
    """Every GGUF model on this machine, ours first. A model that cannot be read is left out."""
    models: list[ResolvedModel] = []
    cache = HeaderCache(paths)
    for stored in stored_models(paths, environ):
        with contextlib.suppress(LocalaiError, OSError):
            models.append(describe(stored, paths, cache))
    cache.save()
    return models


def mlx_models(paths: Paths, environ: Mapping[str, str] | None = None) -> list[ResolvedModel]:
    """Every MLX model in the stores of this machine, ours first.

    A broken folder is left out. So is a folder whose weights MLX did not write: it may load if it
    is named, but it may be an image model.
    """
    return [model for _, model in stored_mlx_models(paths, environ)]


def files_of(path: Path) -> tuple[tuple[int, int], ...]:
    """What all names of the model at `path` share, a file or an MLX folder: the inodes of its first
    weights, and of what says how they are read. Raises OSError."""
    if not path.is_dir():
        return (inode_of(path.stat()),)
    weights = sorted(path.glob("*.safetensors"))[:1]
    return tuple(inode_of(file.stat()) for file in (*weights, path / "config.json"))


def _in_each_place(paths: Paths, environ: Mapping[str, str]) -> Iterator[ModelOnDisk]:
    headers, digests = HeaderCache(paths), DigestCache(paths)
    for stored in stored_models(paths, environ):
        with contextlib.suppress(LocalaiError, OSError):
            model = describe(stored, paths, headers)
            place = Place(stored.store, stored.name, stored.path)
            digest = model.digest or digests.known(stored.path)
            kind: Literal["gguf", "adapted"] = "gguf" if stored.adapter is None else "adapted"
            yield ModelOnDisk(model, (place,), kind, digest)
    headers.save()
    for store, model in stored_mlx_models(paths, environ):
        if model.path is not None:
            yield ModelOnDisk(model, (Place(store, model.id, model.path),), "mlx", None)


def stored_mlx_models(
    paths: Paths, environ: Mapping[str, str] | None = None
) -> Iterator[tuple[StoreName, ResolvedModel]]:
    """The MLX models of `mlx_models`, each with its store."""
    for stored in stored_folders(paths, environ):
        with contextlib.suppress(LocalaiError):
            folder = read_folder(stored.path)
            if folder.is_mlx:
                yield stored.store, describe_folder(stored.name, folder)


def _keys(model: ModelOnDisk) -> Iterator[tuple[object, ...]]:
    """The inode and the known digest of the model's file; two entries that share either are one
    model. The same weights with and without a projector are two models. An adapted model has no
    keys."""
    if model.format == "adapted":
        return
    has_projector = model.model.projector is not None
    with contextlib.suppress(OSError):
        yield (*files_of(model.places[0].path), has_projector)
    if model.digest is not None:
        yield (model.digest, has_projector)

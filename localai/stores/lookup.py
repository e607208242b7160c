"""One library over all stores of this machine: what a name means, and what there is.

Resolving a path, the starter or a name of Ollama's reads that one model; only a name that is
none of these looks through the stores.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from localai.errors import InvalidInput, NotFound
from localai.near_names import did_you_mean
from localai.stores.describe import HeaderCache, describe
from localai.stores.folders import (
    StoredModel,
    is_file,
    own_models,
    projector_beside,
)
from localai.stores.inventory import stored_models
from localai.stores.ollama import find_ollama_model
from localai.stores.starter import STARTER, resolve_starter, starter_path
from localai.types import ResolvedModel

if TYPE_CHECKING:
    from localai.paths import Paths


def resolve_local(
    name: str, paths: Paths, environ: Mapping[str, str] | None = None
) -> ResolvedModel:
    """The model that `name` means: a path to a .gguf file, `starter`, or a name in a store.

    Raises NotFound where there is none, InvalidInput where the file is no whole model or the
    name means more than one.
    """
    if name == STARTER.name:
        return resolve_starter(paths)
    if (path := _as_path(name)) is not None:
        return resolve_file(path, paths)
    return resolve_stored(find_stored(name, paths, environ), paths)


def find_stored(name: str, paths: Paths, environ: Mapping[str, str] | None = None) -> StoredModel:
    """The model of a store that `name` means, its header unread. Raises NotFound, InvalidInput
    where the name means more than one."""
    environ = os.environ if environ is None else environ
    for stored in own_models(paths):
        if stored.name == name:
            return stored
    if (found := find_ollama_model(name, environ)) is not None:
        return found
    return _search(name, stored_models(paths, environ))


def name_of_file(path: Path, paths: Paths, environ: Mapping[str, str] | None = None) -> str:
    """What `-m` takes for the model in `path`, a file or folder: its name in the first store that
    has it, else the path. Reads no header."""
    real = path.resolve()
    for stored in stored_models(paths, environ):
        if stored.path.resolve() == real:
            return stored.name
    return str(path)


def resolve_file(path: Path, paths: Paths) -> ResolvedModel:
    """The model in the file `path`. Raises NotFound, or InvalidInput if it is no whole model."""
    path = path.absolute()
    if path == starter_path(paths):
        return resolve_starter(paths)
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {path}", command="localai list") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    if is_folder:
        raise InvalidInput(
            f"{path} is a folder, not a model file", hint="name the .gguf file in it"
        )
    return resolve_stored(
        StoredModel("localai", str(path), path, projector=projector_beside(path)), paths
    )


def resolve_stored(stored: StoredModel, paths: Paths) -> ResolvedModel:
    """What is known of a model that a store holds. Raises InvalidInput if it is no whole model."""
    cache = HeaderCache(paths)
    model = describe(stored, paths, cache)
    cache.save()
    return model


def _as_path(name: str) -> Path | None:
    """`name` as a path, where it is written like one; None if it can only be a model's name."""
    path = Path(os.path.expanduser(name))  # noqa: PTH111 (it does not raise for ~nobody)
    if name.startswith(("/", "./", "../", "~")):
        return path
    written_as_file = "/" in name or name.lower().endswith(".gguf")
    return path if written_as_file and is_file(path) else None


def _search(name: str, candidates: Iterable[StoredModel]) -> StoredModel:
    """The one model that `name` fits, exactly or as a shorter or differently written name."""
    models = list(candidates)
    exact = [model for model in models if model.name == name]
    folded = name.casefold()
    loose = [
        model
        for model in models
        if folded in {alias.casefold() for alias in (model.name, *model.aliases)}
    ]
    fitting = exact[:1] or loose
    if not fitting:
        raise _not_found(name, models)
    if len({model.digest or model.path.resolve() for model in fitting}) > 1:
        names = sorted({model.name for model in fitting})
        raise InvalidInput(
            f"the name {name!r} fits {len(names)} models on this machine",
            hint="name one of " + ", ".join(names),
        )
    return fitting[0]


def _not_found(name: str, models: list[StoredModel]) -> NotFound:
    if name.lower().endswith(".gguf"):
        message = f"there is no file {name}, and no model of that name on this machine"
    else:
        message = f"there is no model called {name!r} on this machine"
    spellings = {alias: model.name for model in models for alias in (model.name, *model.aliases)}
    return NotFound(
        message,
        hint=did_you_mean(name, spellings, means=spellings),
        command=("localai", "pull", name),
    )

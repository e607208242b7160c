"""What a name means among the models of this machine: a path, the starter, a name in a store.

`find_*` returns the store's entry, `resolve_*` the described model. A path, the starter and a name
of Ollama's are found without a look at other models. Any other name is searched for in all stores.

Every `find_*` and `resolve_*` raises NotFound if there is no such model, and InvalidInput if the
name means more than one. `resolve_*` also raises InvalidInput if a file or folder is not whole.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from localai.errors import InvalidInput, NotFound
from localai.files import as_path, lies_here
from localai.formats.mlx_folder import read_folder
from localai.near_names import did_you_mean
from localai.patterns import lazy_pattern
from localai.stores.describe import HeaderCache, describe, describe_folder
from localai.stores.folders import (
    StoredFolder,
    StoredModel,
    own_models,
    projector_beside,
    stored_folders,
)
from localai.stores.inventory import stored_models
from localai.stores.ollama import find_ollama_model
from localai.stores.references import tag_alone
from localai.stores.starter import STARTER, resolve_starter, starter_path
from localai.types import ResolvedModel
from localai.units import counted

if TYPE_CHECKING:
    from localai.paths import Paths


_PULLABLE = lazy_pattern(r"(?!.*\.gguf$)[\w.-]+(/[\w.-]+)*(:[\w.-]+)?", re.IGNORECASE)


def resolve_gguf(
    name: str, paths: Paths, environ: Mapping[str, str] | None = None
) -> ResolvedModel:
    """The GGUF model that `name` means: a path to a .gguf file, `starter`, or a name in a store."""
    if name == STARTER.name:
        return resolve_starter(paths)
    if (path := as_path(name)) is not None:
        return resolve_file(path, paths)
    return resolve_stored(find_gguf(name, paths, environ), paths)


def resolve_mlx(name: str, paths: Paths, environ: Mapping[str, str] | None = None) -> ResolvedModel:
    """The MLX model that `name` means: the path of a folder, or a name in a store."""
    if (path := as_path(name)) is not None:
        path = path.absolute()
        return describe_folder(str(path), read_folder(path))
    found = find_folder(name, paths, environ)
    return describe_folder(found.name, read_folder(found.path))


def resolve_model(
    name: str, paths: Paths, environ: Mapping[str, str] | None = None
) -> ResolvedModel:
    """The model that `name` means: a folder's path, else what `resolve_gguf` finds, else what
    `resolve_mlx` finds."""
    folder = Path(os.path.expanduser(name))  # noqa: PTH111 (it does not raise for ~nobody)
    if folder.is_dir() and (as_path(name) is not None or (folder / "config.json").exists()):
        return resolve_mlx(str(folder.absolute()), paths, environ)
    try:
        return resolve_gguf(name, paths, environ)
    except NotFound as missing:
        try:
            return resolve_mlx(name, paths, environ)
        except NotFound:
            raise missing from None


def find_gguf(name: str, paths: Paths, environ: Mapping[str, str] | None = None) -> StoredModel:
    """The GGUF model that `name` means in a store, its header unread."""
    environ = os.environ if environ is None else environ
    for stored in own_models(paths):
        if stored.name == name:
            return stored
    if (found := find_ollama_model(name, environ)) is not None:
        return found
    return _search(name, stored_models(paths, environ))


def find_folder(name: str, paths: Paths, environ: Mapping[str, str] | None = None) -> StoredFolder:
    """The MLX folder that `name` means in a store, its files unread."""
    stored = stored_folders(paths, environ)
    folded = name.casefold()
    fitting = [folder for folder in stored if folder.name == name] or [
        folder for folder in stored if folded in {alias.casefold() for alias in folder.aliases}
    ]
    if not fitting:
        spellings = {alias: folder.name for folder in stored for alias in folder.aliases}
        raise NotFound(
            f"there is no MLX model called {name!r} on this machine",
            hint=did_you_mean(name, spellings, means=spellings),
            command="localai list",
        )
    if len({folder.name for folder in fitting}) > 1:
        raise InvalidInput(
            f"the name {name!r} fits {len(fitting)} MLX models on this machine",
            hint="name one of " + ", ".join(sorted(folder.name for folder in fitting)),
        )
    return fitting[0]


def find_stored(
    name: str, paths: Paths, environ: Mapping[str, str] | None = None
) -> StoredModel | StoredFolder:
    """The GGUF model that `name` means in a store, else the MLX folder."""
    try:
        return find_gguf(name, paths, environ)
    except NotFound as missing:
        try:
            return find_folder(name, paths, environ)
        except NotFound:
            raise missing from None


def name_of_file(path: Path, paths: Paths, environ: Mapping[str, str] | None = None) -> str:
    """What `-m` takes for the model at `path`, a file or a folder: its name in the first store that
    has it, else the path. Reads no header."""
    real = path.resolve()
    for stored in stored_models(paths, environ):
        if stored.adapter is None and stored.path.resolve() == real:
            return stored.name
    return str(path)


def resolve_file(path: Path, paths: Paths) -> ResolvedModel:
    """The model in the file `path`."""
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
    if path.suffix.lower() == ".safetensors":
        raise InvalidInput(
            f"{path} is a part of a model, which is the whole folder", hint=f"name {path.parent}"
        )
    return resolve_stored(
        StoredModel("localai", str(path), path, projector=projector_beside(path)), paths
    )


def resolve_stored(stored: StoredModel, paths: Paths) -> ResolvedModel:
    """The model of a store's entry, described."""
    cache = HeaderCache(paths)
    model = describe(stored, paths, cache)
    cache.save()
    return model


def _search(name: str, candidates: Iterable[StoredModel]) -> StoredModel:
    """The one model that `name` fits: exactly, or as an alias, or written in other cases."""
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
            f"the name {name!r} fits {counted(len(names), 'model')} on this machine",
            hint="name one of " + ", ".join(names),
        )
    return fitting[0]


def _not_found(name: str, models: list[StoredModel]) -> NotFound:
    if name.lower().endswith(".gguf"):
        message = f"there is no file {name}, and no model of that name on this machine"
    else:
        message = f"there is no model called {name!r} on this machine"
    spellings = {alias: model.name for model in models for alias in (model.name, *model.aliases)}
    near = did_you_mean(name, spellings, means=spellings)
    if near is None and (what := lies_here(name)) is not None:
        return NotFound(message, hint=f"the {what} here is ./{name}", command="localai list")
    if near is None and (alone := tag_alone(name)) is not None:
        return NotFound(**alone)
    # Suggest `pull` only if no local name is near and the name could be a registry's.
    if near is not None or not _PULLABLE.fullmatch(name):
        return NotFound(message, hint=near, command="localai list")
    return NotFound(message, command=("localai", "pull", name))

"""Every MLX folder on this machine, under the name its own tool gives it, and what a name means."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from localai.errors import InvalidInput, LocalaiError, NotFound
from localai.formats.mlx_folder import is_model_folder, read_folder
from localai.near_names import did_you_mean
from localai.stores.describe import parameters_text, template_capabilities
from localai.stores.folders import StoreName, hub_cache, lmstudio_folders
from localai.types import ResolvedModel, Zone

if TYPE_CHECKING:
    from localai.formats.mlx_folder import MlxFolder
    from localai.paths import Paths

_EVIDENCE = "a folder on this machine, opened by the MLX engine"


@dataclass(frozen=True, slots=True)
class StoredFolder:
    """A model folder in a store, its files unread; `name` is what the list shows: ORG/REPO."""

    store: StoreName
    name: str
    path: Path

    @property
    def aliases(self) -> frozenset[str]:
        """Every name that means it: the whole one, as `pull` writes it, and without ORG."""
        return frozenset({self.name, f"hf.co/{self.name}", self.name.rpartition("/")[2]})


def mlx_models(paths: Paths, environ: Mapping[str, str] | None = None) -> list[ResolvedModel]:
    """Every MLX model in the stores of this machine, ours first.

    A folder that is not whole is left out, and so is one whose weights MLX did not write: it may
    load when it is named, but it may as well be an image model.
    """
    return [model for _, model in stored_mlx_models(paths, environ)]


def stored_mlx_models(
    paths: Paths, environ: Mapping[str, str] | None = None
) -> Iterator[tuple[StoreName, ResolvedModel]]:
    """The same, each with the store that has it."""
    for stored in stored_folders(paths, environ):
        with contextlib.suppress(LocalaiError):
            folder = read_folder(stored.path)
            if folder.is_mlx:
                yield stored.store, _describe(stored.name, folder)


def resolve_mlx(name: str, paths: Paths, environ: Mapping[str, str] | None = None) -> ResolvedModel:
    """The model that `name` means: the path of a folder, or a name in a store.

    Raises NotFound with near names in the hint, InvalidInput where the folder is no whole model
    or the name means more than one.
    """
    if name.startswith(("/", "./", "../", "~")):
        path = Path(name).expanduser().absolute()
        return _describe(str(path), read_folder(path))
    found = find_folder(name, paths, environ)
    return _describe(found.name, read_folder(found.path))


def find_folder(name: str, paths: Paths, environ: Mapping[str, str] | None = None) -> StoredFolder:
    """The folder of a store that `name` means, its files unread. Raises NotFound with near names
    in the hint, InvalidInput where the name means more than one."""
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


def _describe(name: str, folder: MlxFolder) -> ResolvedModel:
    return ResolvedModel(
        provider="mlx",
        id=name,
        zone=Zone.DEVICE,
        evidence=_EVIDENCE,
        path=folder.path,
        context_limit=folder.context_limit,
        capabilities=frozenset({"completion", *template_capabilities(folder.chat_template or "")}),
        size_bytes=folder.size_bytes,
        parameters=parameters_text(folder.parameter_count),
        quantization=folder.quantization,
        recommended=folder.recommended,
    )


def stored_folders(paths: Paths, environ: Mapping[str, str] | None) -> list[StoredFolder]:
    """The model folders of all stores; one that is in two of them only once."""
    environ = os.environ if environ is None else environ
    found: dict[Path, StoredFolder] = {}
    roots: list[tuple[StoreName, Path]] = [("localai", paths.models_dir)]
    roots += [("lmstudio", folder) for folder in lmstudio_folders()]
    for store, root in roots:
        for path in _folders_below(root):
            name = path.relative_to(root).as_posix()
            found.setdefault(path.resolve(), StoredFolder(store, name, path))
    for stored in _hub_folders(hub_cache(environ)):
        found.setdefault(stored.path.resolve(), stored)
    return list(found.values())


def _folders_below(root: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "config.json" in names and is_model_folder(Path(where)):
            yield Path(where)


def _hub_folders(cache: Path) -> Iterator[StoredFolder]:
    """Of each repository in the hub's cache the newest snapshot that has weights."""
    for repository in sorted(cache.glob("models--*")):
        name = repository.name.removeprefix("models--").replace("--", "/")
        snapshots = [path for path in repository.glob("snapshots/*") if is_model_folder(path)]
        if snapshots:
            yield StoredFolder(
                "huggingface", name, max(snapshots, key=lambda path: path.stat().st_mtime)
            )

"""Every MLX folder on this machine, under the name its own tool gives it, and what a name means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from localai.errors import InvalidInput, NotFound
from localai.formats.mlx_folder import read_folder
from localai.near_names import did_you_mean
from localai.stores.describe import describe_folder
from localai.stores.folders import StoredFolder, stored_folders
from localai.types import ResolvedModel

if TYPE_CHECKING:
    from localai.paths import Paths


def resolve_mlx(name: str, paths: Paths, environ: Mapping[str, str] | None = None) -> ResolvedModel:
    """The model that `name` means: the path of a folder, or a name in a store.

    Raises NotFound with near names in the hint, InvalidInput where the folder is no whole model
    or the name means more than one.
    """
    if name.startswith(("/", "./", "../", "~")):
        path = Path(name).expanduser().absolute()
        return describe_folder(str(path), read_folder(path))
    found = find_folder(name, paths, environ)
    return describe_folder(found.name, read_folder(found.path))


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

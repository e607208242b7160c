"""Adopting a model file of this machine: our store gets a link to it, not a copy."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from localai.errors import InvalidInput
from localai.fetch.plan import PullPlan
from localai.files import is_folder
from localai.formats.gguf import part_paths, read_header, read_model
from localai.formats.gguf_kinds import no_model
from localai.paths import private_dir
from localai.stores.folders import projector_beside
from localai.stores.starter import starter_path

if TYPE_CHECKING:
    from localai.paths import Paths


def plan_adoption(path: Path, paths: Paths) -> PullPlan:
    """What adopting the file `path` would do; its other parts and its projector are adopted with
    it.

    Raises NotFound, and InvalidInput if the file is no whole model.
    """
    path = path.absolute()
    if is_folder(path):
        raise _no_file(path)
    header = read_model(path)
    if (what := no_model(header)) is not None:
        raise InvalidInput(f"{path.name} is {what}", hint="name the model beside it")
    parts = part_paths(path, read_header(path))
    first = parts[0]
    projector = projector_beside(first)
    stem = first.stem.removesuffix(f"-00001-of-{len(parts):05}")
    # A projector serves every model in its folder, so a model that has one gets its own folder.
    folder = paths.models_dir if projector is None else paths.models_dir / stem
    links = {folder / part.name: part for part in (*parts, *filter(None, [projector]))}
    _check(links, paths)
    return PullPlan(
        name=stem if projector is None else f"{stem}/{stem}",
        source=str(path.parent),
        store=folder,
        path=folder / first.name,
        files=(),
        size_bytes=sum(part.stat().st_size for part in parts),
        header=header,
        measured=first,
        install=partial(_link, links),
    )


def _no_file(folder: Path) -> InvalidInput:
    """The error for a folder, with the line for what lies in it."""
    message = f"{folder} is a folder, and what is adopted is a file"
    files = sorted(each for each in folder.glob("*.gguf") if each.is_file())
    if files:
        return InvalidInput(message, command=("localai", "pull", files[0]))
    if (folder / "config.json").exists():
        hint = "a folder of MLX's is used where it lies"
        return InvalidInput(message, hint=hint, command=("localai", "chat", "-m", folder))
    return InvalidInput(message, hint="there is no .gguf file in it")


def _check(links: dict[Path, Path], paths: Paths) -> None:
    for link, file in links.items():
        if link == file:
            raise InvalidInput(f"{file} is in the library already", command="localai list")
        if link == starter_path(paths):
            raise InvalidInput(f"{link.name} is the starter's name", command="localai pull starter")
        if link.exists() and not link.samefile(file):
            raise InvalidInput(
                f"there is another {link.name} in {link.parent}", hint="give the file another name"
            )


def _link(links: dict[Path, Path]) -> None:
    for folder in _folders(links):
        private_dir(folder)
    for link, file in links.items():
        try:
            link.unlink(missing_ok=True)
            link.symlink_to(file)
        except OSError as error:
            raise InvalidInput(f"{link} cannot be written: {error.strerror or error}") from error


def _folders(links: Iterable[Path]) -> set[Path]:
    return {link.parent for link in links}

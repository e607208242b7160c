"""A second name for a model, over the same bytes: another manifest in Ollama, a link elsewhere."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from localai.dataclass import dataclass
from localai.errors import InvalidInput, NotFound
from localai.formats.gguf import part_paths, read_header
from localai.paths import private_dir
from localai.providers.registry import is_registered
from localai.stores.folders import StoredFolder, StoreName
from localai.stores.lookup import find_stored, resolve_gguf
from localai.stores.model_defaults import keep_defaults
from localai.stores.ollama import OllamaName, copy_manifest, parse_name, root_of
from localai.stores.starter import STARTER

if TYPE_CHECKING:
    from localai.paths import Paths
    from localai.types import ResolvedModel

How = Literal["manifest", "hard link", "link"]

_OWN_NAME: Final = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)*(:[\w.-]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class SecondName:
    """A second name that was given to a model: in which store, and how it shares the bytes."""

    source: str
    name: str
    store: StoreName
    path: Path
    how: How


def copy_model(
    source: str, name: str, paths: Paths, environ: Mapping[str, str] | None = None
) -> SecondName:
    """Make `name` a second name of the model `source`: in Ollama's store if the model is there,
    else in ours. No bytes are copied.

    Raises NotFound, and InvalidInput if `name` is taken or is no possible name.
    """
    environ = os.environ if environ is None else environ
    stored = find_stored(source, paths, environ)
    if stored.store != "ollama":
        _require_new(name, paths, environ)
    if isinstance(stored, StoredFolder):
        target = paths.models_dir / name
        links = {target / file.name: file for file in stored.path.iterdir() if file.is_file()}
        if not _is_begun(links):
            path_of_new_model(name, paths)
        return SecondName(stored.name, name, "localai", target, _link(links))
    if stored.store == "ollama":
        old, new = parse_name(stored.name), parse_name(name)
        if old is None or new is None:
            raise InvalidInput(f"{name!r} cannot be a name in Ollama", hint="such as mine:latest")
        return _in_ollama(stored.path, old, new)
    model = resolve_gguf(stored.name, paths, environ)
    links = _links(model, paths.models_dir / f"{name}.gguf")
    if not _is_begun(links):
        path_of_new_model(f"{name}.gguf", paths, name)
        _require_free(name, *links)
        private_dir(next(iter(links)).parent)
    # Write the defaults first: if the command is killed between the two, the name must not exist
    # without them.
    keep_defaults(model, next(iter(links)))
    how = _link(links)
    return SecondName(stored.name, name, "localai", next(iter(links)), how)


def path_of_new_model(file_name: str, paths: Paths, name: str | None = None) -> Path:
    """The path of a new model called `name` in our own store. Raises InvalidInput if the name is
    taken or means something else."""
    name = file_name if name is None else name
    if not _OWN_NAME.fullmatch(name) or is_registered(name.partition("/")[0]):
        raise InvalidInput(
            f"{name!r} cannot be a name of a model", hint="letters, digits and . _ - : such as mine"
        )
    if name == STARTER.name:
        raise InvalidInput(f"{name} is the starter's own name", hint="take another name")
    path = paths.models_dir / file_name
    _require_free(name, path, paths.models_dir / name)
    return path


def _require_new(name: str, paths: Paths, environ: Mapping[str, str]) -> None:
    """Raise InvalidInput if `name` means a model of another store, which ours would hide."""
    try:
        found = find_stored(name, paths, environ)
    except NotFound:
        return
    if found.store != "localai":
        raise InvalidInput(f"there is a model called {name} already", hint="take another name")


def _require_free(name: str, *places: Path) -> None:
    if any(os.path.lexists(place) for place in places):
        raise InvalidInput(
            f"there is a model called {name} already", command=("localai", "rm", name)
        )


def _in_ollama(blob: Path, old: OllamaName, new: OllamaName) -> SecondName:
    root = root_of(blob)
    if new.manifest(root).exists():
        raise InvalidInput(
            f"Ollama has a model called {new.short} already", command=("localai", "rm", new.short)
        )
    try:
        copy_manifest(root, old, new)
    except PermissionError as error:
        raise InvalidInput(
            f"{root} belongs to another user, such as Ollama's service",
            command=("ollama", "cp", old.short, new.short),
        ) from error
    except OSError as error:
        raise InvalidInput(f"{root} cannot be written: {error.strerror}") from error
    return SecondName(old.short, new.short, "ollama", new.manifest(root), "manifest")


def _links(model: ResolvedModel, target: Path) -> dict[Path, Path]:
    """The links to make, each with the file that it links to. The parts of a model keep their
    numbers. A model with a projector gets a folder of its own, because a projector serves every
    model beside it."""
    assert model.path is not None, "the stores hold files"
    parts = part_paths(model.path, read_header(model.path))
    if model.projector is not None:
        target = target.with_suffix("") / target.name
    stem = target.name.removesuffix(".gguf")
    if len(parts) == 1:
        links = {target: parts[0]}
    else:
        links = {
            target.with_name(f"{stem}-{number:05}-of-{len(parts):05}.gguf"): part
            for number, part in enumerate(parts, 1)
        }
    if model.projector is not None:
        links[target.with_name(f"mmproj-{stem}.gguf")] = model.projector
    return links


def _is_begun(links: Mapping[Path, Path]) -> bool:
    """Whether a command that was killed has made some of these links, but not all."""
    made = [link for link in links if os.path.lexists(link)]
    return 0 < len(made) < len(links) and all(_is_link_to(link, links[link]) for link in made)


def _is_link_to(link: Path, file: Path) -> bool:
    with contextlib.suppress(OSError):
        return link.samefile(file)
    return False


def _link(links: Mapping[Path, Path]) -> How:
    """Make all links or none: hard links if possible, else symbolic ones. Links that exist stay."""
    made: list[Path] = []
    how: How = "hard link"
    try:
        for link, file in links.items():
            if _is_link_to(link, file):
                how = "link" if link.is_symlink() else how
                continue
            private_dir(link.parent)
            if not _hard_link(link, file):
                link.symlink_to(file.resolve())
                how = "link"
            made.append(link)
    except OSError as error:
        for link in made:
            link.unlink(missing_ok=True)
        raise InvalidInput(f"{link} cannot be made: {error.strerror}") from error
    return how


def _hard_link(link: Path, file: Path) -> bool:
    # An adopted file is the user's own and gets no second name, so the link to it is copied
    # instead. A link into blobs/ belongs to the hub's cache.
    if file.is_symlink() and file.resolve().parent.name != "blobs":
        return False
    with contextlib.suppress(OSError):
        link.hardlink_to(file.resolve())
        return True
    return False

"""Removing a model: which files are removed, how much that frees, and the removal itself.

A removal that is killed is finished by the next one (`removal_journal`). A blob of Ollama's or the
hub's is removed only if no other name needs it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from localai.dataclass import dataclass
from localai.engine.lifecycle import stop, workers
from localai.engine.llamacpp import kv_files
from localai.errors import InvalidInput, LocalaiError, NotFound
from localai.fetch.download import provenance_file
from localai.files import as_path, freed_bytes
from localai.formats.gguf import part_paths, read_header
from localai.library.removal_journal import journal, unlink
from localai.providers.ollama_daemon import Daemon, running_ollama
from localai.stores.folders import StoredFolder, StoredModel, StoreName, is_projector_name
from localai.stores.lookup import find_stored
from localai.stores.model_defaults import defaults_file
from localai.stores.ollama import (
    OllamaName,
    blobs_only_of,
    ollama_roots,
    parse_name,
    remove_manifest,
    root_of,
)
from localai.stores.presets import find_preset, preset_file
from localai.stores.references import plain_name

if TYPE_CHECKING:
    from localai.config import Config
    from localai.engine.worker_files import WorkerFiles, WorkerInfo
    from localai.paths import Paths


@dataclass(frozen=True, slots=True)
class Removal:
    """What removing the model `name` of `store` would do; `apply` does it.

    `files` are removed, which frees `freed_bytes`; a file that has another name frees nothing.
    `kept` is the user's own file behind an adopted model, which stays. `in_memory`: the model is
    loaded, and is unloaded first, also in the middle of an answer.
    """

    name: str
    store: StoreName
    files: tuple[Path, ...]
    freed_bytes: int
    kept: Path | None
    in_memory: bool
    apply: Callable[[], None]


def plan_removal(
    text: str, config: Config, paths: Paths, environ: Mapping[str, str] | None = None
) -> Removal:
    """What removing the model that `text` means would do, in the first store that has that name.

    Raises NotFound, and InvalidInput if the file is in no store.
    """
    environ = os.environ if environ is None else environ
    text = plain_name(text)
    if as_path(text) is not None:
        raise InvalidInput(
            f"{text} is a file, and `rm` takes names of the library", command="localai list"
        )
    if find_preset(text, paths) is not None:
        return _of_preset(text, paths)
    try:
        stored = find_stored(text, paths, environ)
    except NotFound as error:
        link = paths.models_dir / f"{text}.gguf"
        if not link.is_symlink():
            # Whoever wants it gone does not pull it.
            raise NotFound(error.message, hint=error.hint, command="localai list") from error
        # The adopted file is gone; only the link to it is left to remove.
        return _of_files(text, "localai", link, [link], paths)
    if isinstance(stored, StoredFolder):
        return _of_folder(stored, paths)
    if stored.store == "ollama":
        return _of_ollama(stored, config, paths, environ)
    parts = _parts(stored.path)
    files = (*parts, *_projector(stored, parts))
    if stored.store == "huggingface":
        files = _hub_files(_snapshot(stored.path), files)
    if stored.store == "localai":
        beside = [make(part) for part in parts for make in (defaults_file, provenance_file)]
        files = (*files, *(file for file in beside if file.exists()))
    return _of_files(stored.name, stored.store, stored.path, files, paths)


def _of_preset(name: str, paths: Paths) -> Removal:
    """The removal of a preset, which is a file of settings: its model stays."""
    file = preset_file(name, paths)
    return Removal(name, "localai", (file,), file.stat().st_size, None, False, file.unlink)


def _of_folder(folder: StoredFolder, paths: Paths) -> Removal:
    files = sorted(folder.path.rglob("*"))
    if folder.store == "huggingface":
        files = list(_hub_files(folder.path, files))
    else:
        files = [file for file in files if not file.is_dir()]
    return _of_files(folder.name, folder.store, folder.path, files, paths)


def _of_files(
    name: str, store: StoreName, model: Path, files: Iterable[Path], paths: Paths
) -> Removal:
    files = tuple(files)
    links = [file for file in files if file.is_symlink()]
    kept = None
    if store == "localai" and links:
        kept = links[0].resolve()

    def apply() -> None:
        _stop_workers(model, paths)
        _forget_traces(files, paths)
        with journal(paths, files):
            unlink(files)
        _remove_empty_folders(files)
        if store == "huggingface":
            _tidy(_snapshot(files[0]).parent.parent)

    in_memory = bool(_workers_of(model, paths))
    return Removal(
        name, store, files, freed_bytes(file.lstat() for file in files), kept, in_memory, apply
    )


def _of_ollama(
    stored: StoredModel, config: Config, paths: Paths, environ: Mapping[str, str]
) -> Removal:
    name = parse_name(stored.name)
    assert name is not None, "the store's names can be parsed"
    root = next(each for each in ollama_roots(environ) if name.manifest(each).is_file())
    blobs = blobs_only_of(root, name)
    files = (name.manifest(root), *sorted(blob for blob in blobs if blob.is_file()))
    daemon = running_ollama(config, paths, environ)
    if daemon is not None and not _serves(daemon, stored):
        daemon = None
    # If another name keeps the file, its worker is not stopped.
    goes = stored.path in blobs
    by_ollama = daemon is not None and daemon.loaded(stored.name) is not None
    in_memory = by_ollama or (goes and bool(_workers_of(stored.path, paths)))

    def apply() -> None:
        if goes:
            _stop_workers(stored.path, paths)
        if daemon is not None and by_ollama:
            daemon.load(stored.name, None, 0.0)
        if root_of(stored.path) == root and stored.path in blobs:
            _forget_traces([stored.path], paths)
        if daemon is not None:
            from localai.providers.ollama_models import delete

            delete(daemon.target, stored.name)
        if name.manifest(root).exists():
            _remove_by_layout(root, name, blobs, paths)

    return Removal(
        stored.name,
        "ollama",
        files,
        freed_bytes(file.lstat() for file in files[1:]),
        None,
        in_memory,
        apply,
    )


def _remove_by_layout(root: Path, name: OllamaName, blobs: frozenset[Path], paths: Paths) -> None:
    if not os.access(name.manifest(root).parent, os.W_OK) or not os.access(root / "blobs", os.W_OK):
        raise InvalidInput(
            f"{root} belongs to another user, such as Ollama's service, and that does not run",
            hint=f"start Ollama, and then: ollama rm {name.short}",
            command="ollama serve",
        )
    with journal(paths, blobs, root):
        remove_manifest(root, name)
        unlink([blob for blob in sorted(blobs) if blob.exists()], root)


def _serves(daemon: Daemon, stored: StoredModel) -> bool:
    """Whether the daemon's store is the one that `stored` is in. The service's store may have a
    model of the same name, which must stay."""
    blob = daemon.blob_of(stored.name)
    return blob is not None and blob.resolve() == stored.path.resolve()


def _workers_of(model: Path, paths: Paths) -> list[tuple[WorkerFiles, WorkerInfo]]:
    """The workers that have loaded the file or folder `model` under this path."""
    return [(files, info) for files, info in workers(paths) if Path(info.spec.model_path) == model]


def _stop_workers(model: Path, paths: Paths) -> None:
    for files, info in _workers_of(model, paths):
        stop(files, info)


def _parts(path: Path) -> tuple[Path, ...]:
    """Every file of the model; if the model cannot be read, only `path`."""
    try:
        parts = part_paths(path, read_header(path))
    except LocalaiError:
        return (path,)
    return tuple(part for part in parts if part.exists() or part.is_symlink())


def _projector(stored: StoredModel, parts: tuple[Path, ...]) -> tuple[Path, ...]:
    """The model's projector, unless another model in the folder needs it."""
    if stored.projector is None or stored.projector.parent != stored.path.parent:
        return ()
    others = [
        file
        for file in stored.path.parent.glob("*.gguf")
        if file not in parts and not is_projector_name(file.name)
    ]
    return () if others else (stored.projector,)


def _snapshot(path: Path) -> Path:
    return next(parent for parent in path.parents if parent.parent.name == "snapshots")


def _hub_files(snapshot: Path, links: Iterable[Path]) -> tuple[Path, ...]:
    """The links, and the blobs behind them in the hub's cache that no other snapshot needs."""
    removed = {link for link in links if not link.is_dir()}
    repository = snapshot.parent.parent
    needed = {
        other.resolve()
        for other in (repository / "snapshots").rglob("*")
        if other.is_symlink() and other not in removed
    }
    blobs = {link.resolve() for link in removed if link.is_symlink()} - needed
    return (*sorted(removed), *sorted(blob for blob in blobs if blob.parent.name == "blobs"))


def _forget_traces(files: Iterable[Path], paths: Paths) -> None:
    """Delete the KV states of conversations with these files. The states stay if a file has another
    name, under which they can still be used."""
    for file in files:
        with contextlib.suppress(OSError):
            if file.stat().st_nlink == 1 and not file.is_symlink():
                kv_files.delete_states_of_model(paths.kv_dir, file)


def _remove_empty_folders(files: Iterable[Path]) -> None:
    """Remove the folders that are empty now, up to three levels above the files."""
    for folder in {file.parent for file in files}:
        for each in [folder, *folder.parents][:3]:
            if each.name in ("models", "hub", "blobs", "snapshots"):
                break
            with contextlib.suppress(OSError):
                each.rmdir()


def _tidy(repository: Path) -> None:
    """Tidy the hub's cache: remove references to revisions that are gone, and a repository without
    revisions."""
    left = {path.name for path in (repository / "snapshots").glob("*")}
    arriving = any((repository / "blobs").glob("*.incomplete"))
    if not left and not arriving:
        shutil.rmtree(repository, ignore_errors=True)
        return
    for reference in (repository / "refs").rglob("*"):
        with contextlib.suppress(OSError):
            if reference.is_file() and reference.read_text(errors="replace").strip() not in left:
                reference.unlink()

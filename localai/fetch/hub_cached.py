"""A model of the hub as it is in the cache, for when the hub cannot be asked."""

from __future__ import annotations

from pathlib import Path

from localai.errors import InvalidInput, LocalaiError, NotFound
from localai.fetch.hub_names import HubFile, choose_variant, companions, gguf_variants
from localai.fetch.plan import PullPlan
from localai.formats.gguf import read_model
from localai.formats.mlx_folder import is_model_folder
from localai.stores.references import MAIN, HubReference


def cached_plan(
    cache: Path, repository: Path, reference: HubReference, why: LocalaiError
) -> PullPlan | None:
    """The model in the `repository` of the `cache`, the newest snapshot first; None if it is not
    there. `why` is the error that the hub failed with."""
    for snapshot in _snapshots(repository, reference.revision):
        path, name = _model_in(snapshot, reference)
        if path is None:
            continue
        header = None if path.is_dir() else read_model(path)
        return PullPlan(
            name=name,
            source=f"the cache ({why.message})",
            store=cache,
            path=path,
            files=(),
            size_bytes=_size(path) if header is None else header.file_bytes,
            header=header,
            measured=path,
            install=lambda: None,
            digest=None if path.is_dir() else path.resolve().name,
        )
    return None


def _snapshots(repository: Path, revision: str) -> list[Path]:
    """The snapshots of the revision; for the main one all, because any is better than none."""
    found = sorted(
        (repository / "snapshots").glob("*"),
        key=lambda folder: folder.stat().st_mtime,
        reverse=True,
    )
    if revision == MAIN:
        return found
    try:
        commit = (repository / "refs" / revision).read_text().strip()
    except (OSError, ValueError):
        commit = revision
    return [folder for folder in found if folder.name == commit]


def _model_in(snapshot: Path, reference: HubReference) -> tuple[Path | None, str]:
    """The model that `reference` means in a snapshot, and its name; None if it is not there."""
    files = [
        HubFile(path.relative_to(snapshot).as_posix(), path.stat().st_size, None)
        for path in snapshot.rglob("*")
        if path.is_file()
    ]
    variants, beside = gguf_variants(files), companions(files)
    if variants or reference.file:
        try:
            chosen = choose_variant(reference, variants, beside)
        except (NotFound, InvalidInput):
            return None, ""
        return snapshot / chosen.files[0].path, f"{reference.repo}/{chosen.stem}"
    if reference.quant is None and is_model_folder(snapshot):
        return snapshot, reference.repo
    return None, ""


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

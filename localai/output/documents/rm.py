"""The document of `localai rm`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.stores.folders import StoreName

if TYPE_CHECKING:
    from localai.library.dependents import Dependents
    from localai.library.removal import Removal


class RemovalDocument(TypedDict):
    """A model that was removed, or would be."""

    model: Annotated[str, "the model, as it was named"]
    store: Annotated[StoreName, "the model store that had the model"]
    paths: Annotated[list[str], "the files that were removed"]
    in_memory: Annotated[bool, "whether the model was in memory and had to be unloaded first"]
    freed_bytes: Annotated[int, "the bytes of the disk that are freed; other links' bytes are not"]
    kept_path: Annotated[str | None, "the user's own file behind an adopted model; it stays"]
    dependent_presets: Annotated[
        list[str], "the presets that are made of the model and need another"
    ]
    is_default: Annotated[bool, "whether the configuration names it as the default model"]


class Rm(TypedDict):
    """`localai rm --json`"""

    schema: Annotated[Literal["localai.rm/1"], "the name and version of the document"]
    dry_run: Annotated[bool, "whether nothing was done"]
    removed: Annotated[
        list[RemovalDocument], "the models that were removed, in the order they were named"
    ]


def rm_document(removals: Iterable[tuple[Removal, Dependents]], *, dry_run: bool) -> Rm:
    """The document of `localai rm`."""
    return {
        "schema": "localai.rm/1",
        "dry_run": dry_run,
        "removed": [_removal(*each) for each in removals],
    }


def _removal(removal: Removal, dependents: Dependents) -> RemovalDocument:
    return {
        "model": removal.name,
        "store": removal.store,
        "paths": [str(file) for file in removal.files],
        "in_memory": removal.in_memory,
        "freed_bytes": removal.freed_bytes,
        "kept_path": None if removal.kept is None else str(removal.kept),
        "dependent_presets": list(dependents.presets),
        "is_default": dependents.is_default,
    }

"""The document of `localai rm`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.stores.folders import StoreName

if TYPE_CHECKING:
    from localai.library.removal import Removal


class RemovalDocument(TypedDict):
    """A model that was removed, or would be."""

    model: Annotated[str, "its name"]
    store: Annotated[StoreName, "from which store"]
    paths: Annotated[list[str], "the files that went"]
    in_memory: Annotated[bool, "whether it was, and had to be stopped first"]
    freed_bytes: Annotated[int, "of the disk; what other links hold is not freed"]
    kept_path: Annotated[str | None, "the user's own file behind an adopted model, which stays"]


class Rm(TypedDict):
    """`localai rm --json`"""

    schema: Annotated[Literal["localai.rm/1"], "the promise that the rest keeps"]
    dry_run: Annotated[bool, "whether nothing was done"]
    removed: Annotated[list[RemovalDocument], "in the order they were named"]


def rm_document(removals: Iterable[Removal], *, dry_run: bool) -> Rm:
    """What `localai rm` prints."""
    return {
        "schema": "localai.rm/1",
        "dry_run": dry_run,
        "removed": [_removal(each) for each in removals],
    }


def _removal(removal: Removal) -> RemovalDocument:
    return {
        "model": removal.name,
        "store": removal.store,
        "paths": [str(file) for file in removal.files],
        "in_memory": removal.in_memory,
        "freed_bytes": removal.freed_bytes,
        "kept_path": None if removal.kept is None else str(removal.kept),
    }

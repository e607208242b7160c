"""The document of `localai dedupe`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.stores.folders import StoreName

if TYPE_CHECKING:
    from localai.library.duplicates import Copy, Duplicate


class CopyDocument(TypedDict):
    """A file of a model in a store."""

    store: Annotated[StoreName, "whose store"]
    names: Annotated[list[str], "the models that it belongs to"]
    path: Annotated[str, "where it is"]


class RefusedCopyDocument(CopyDocument):
    """A file that is not linked."""

    reason: Annotated[str, "why"]


class DuplicateDocument(TypedDict):
    """The same bytes in several files."""

    digest: Annotated[str, "sha256:… of each"]
    size_bytes: Annotated[int, "of each"]
    kept: Annotated[CopyDocument, "the one that the others are linked to"]
    linked: Annotated[list[CopyDocument], "those that are linked, or would be"]
    refused: Annotated[list[RefusedCopyDocument], "those that are not"]
    freed_bytes: Annotated[int, "of the disk"]


class Dedupe(TypedDict):
    """`localai dedupe --json`"""

    schema: Annotated[Literal["localai.dedupe/1"], "the promise that the rest keeps"]
    dry_run: Annotated[bool, "whether nothing was done"]
    duplicates: Annotated[list[DuplicateDocument], "the largest first"]
    freed_bytes: Annotated[int, "of the disk, all together"]


def dedupe_document(
    found: Iterable[Duplicate], freed_bytes: Iterable[int], *, dry_run: bool
) -> Dedupe:
    """What `localai dedupe` prints; `freed_bytes` is what each of `found` freed, or would."""
    pairs = zip(found, freed_bytes, strict=True)
    duplicates = [duplicate_document(each, freed) for each, freed in pairs]
    return {
        "schema": "localai.dedupe/1",
        "dry_run": dry_run,
        "duplicates": duplicates,
        "freed_bytes": sum(each["freed_bytes"] for each in duplicates),
    }


def duplicate_document(duplicate: Duplicate, freed_bytes: int) -> DuplicateDocument:
    """The same bytes in several files; `freed_bytes` is what linking them frees, or has freed."""
    return {
        "digest": duplicate.digest,
        "size_bytes": duplicate.size_bytes,
        "kept": _copy(duplicate.kept),
        "linked": [_copy(step.copy) for step in duplicate.steps if step.refused is None],
        "refused": [
            {**_copy(step.copy), "reason": step.refused}
            for step in duplicate.steps
            if step.refused is not None
        ],
        "freed_bytes": freed_bytes,
    }


def _copy(copy: Copy) -> CopyDocument:
    return {"store": copy.store, "names": list(copy.names), "path": str(copy.path)}

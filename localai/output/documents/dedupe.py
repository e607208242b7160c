"""The document of `localai dedupe`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from localai.stores.folders import StoreName

if TYPE_CHECKING:
    from localai.library.duplicates import Copy, Duplicate


class CopyDocument(TypedDict):
    """A file of a model in a store."""

    store: Annotated[StoreName, "the model store"]
    names: Annotated[list[str], "the models that the file belongs to"]
    path: Annotated[str, "the path of the file"]


class RefusedCopyDocument(CopyDocument):
    """A file that is not linked."""

    reason: Annotated[str, "why"]


class DuplicateDocument(TypedDict):
    """Files with the same bytes."""

    digest: Annotated[str, "sha256:… of each of the files"]
    size_bytes: Annotated[int, "the size of each of the files"]
    kept: Annotated[CopyDocument, "the file that the others are linked to"]
    linked: Annotated[list[CopyDocument], "the files that are linked, or would be"]
    refused: Annotated[list[RefusedCopyDocument], "the files that are not linked, with the reason"]
    freed_bytes: Annotated[int, "the bytes of the disk that linking frees, or would free"]


class Dedupe(TypedDict):
    """`localai dedupe --json`"""

    schema: Annotated[Literal["localai.dedupe/1"], "the name and version of the document"]
    dry_run: Annotated[bool, "whether nothing was done"]
    duplicates: Annotated[list[DuplicateDocument], "the groups of equal files, the largest first"]
    freed_bytes: Annotated[int, "the bytes of the disk that all links free together, or would free"]


def dedupe_document(
    found: Iterable[Duplicate], freed_bytes: Iterable[int], *, dry_run: bool
) -> Dedupe:
    """The document of `localai dedupe`. `freed_bytes` has, for each of `found`, the bytes that it
    freed or would free."""
    pairs = zip(found, freed_bytes, strict=True)
    duplicates = [duplicate_document(each, freed) for each, freed in pairs]
    return {
        "schema": "localai.dedupe/1",
        "dry_run": dry_run,
        "duplicates": duplicates,
        "freed_bytes": sum(each["freed_bytes"] for each in duplicates),
    }


def duplicate_document(duplicate: Duplicate, freed_bytes: int) -> DuplicateDocument:
    """Files with the same bytes. `freed_bytes` are the bytes that linking them frees, or has
    freed."""
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

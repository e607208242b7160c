"""Duplicates as a person reads them, and as a program does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from localai.output.model_table import STORE_NAMES
from localai.output.units import bytes_text
from localai.output.untrusted import sanitize_line

if TYPE_CHECKING:
    from localai.library.duplicates import Copy, Duplicate


def print_duplicates(found: Sequence[Duplicate]) -> None:
    """Each group on stdout: its size, what stays, what would be linked, and what not and why."""
    for duplicate in found:
        count = len({copy.inode for copy in (duplicate.kept, *(s.copy for s in duplicate.steps))})
        size = bytes_text(duplicate.size_bytes)
        print(f"{size}, {count} times ({duplicate.digest.removeprefix('sha256:')[:12]})")
        print(f"  stays  {_line(duplicate.kept)}")
        for step in duplicate.steps:
            print(f"  {'link ' if step.refused is None else 'no   '}  {_line(step.copy)}")
            if step.refused is not None:
                print(f"         {sanitize_line(step.refused)}")


def duplicate_document(duplicate: Duplicate, *, freed_bytes: int | None = None) -> dict[str, Any]:
    """One of them for programs; `freed_bytes` is what was freed in the end, if it was done."""
    return {
        "digest": duplicate.digest,
        "size_bytes": duplicate.size_bytes,
        "kept": _document(duplicate.kept),
        "linked": [_document(s.copy) for s in duplicate.steps if s.refused is None],
        "refused": [
            {**_document(step.copy), "reason": step.refused}
            for step in duplicate.steps
            if step.refused is not None
        ],
        "freed_bytes": duplicate.freed_bytes if freed_bytes is None else freed_bytes,
    }


def _document(copy: Copy) -> dict[str, Any]:
    return {"store": copy.store, "names": list(copy.names), "path": str(copy.path)}


def _line(copy: Copy) -> str:
    names = ", ".join(map(sanitize_line, dict.fromkeys(copy.names)))
    return f"{names} ({STORE_NAMES[copy.store]})"

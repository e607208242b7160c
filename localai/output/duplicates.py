"""Duplicates as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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


def _line(copy: Copy) -> str:
    names = ", ".join(map(sanitize_line, dict.fromkeys(copy.names)))
    return f"{names} ({STORE_NAMES[copy.store]})"

"""Duplicates as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from localai.output.model_table import STORE_NAMES
from localai.units import bytes_text

if TYPE_CHECKING:
    from localai.library.duplicates import Copy, Duplicate
    from localai.output.output import Output


def print_duplicates(found: Sequence[Duplicate], output: Output) -> None:
    """Each group on stdout: its size, what stays, what would be linked, and what not and why."""
    for duplicate in found:
        count = len({copy.inode for copy in (duplicate.kept, *(s.copy for s in duplicate.steps))})
        size = bytes_text(duplicate.size_bytes)
        output.line(f"{size}, {count} times ({duplicate.digest.removeprefix('sha256:')[:12]})")
        output.line(f"  stays  {_line(duplicate.kept)}")
        for step in duplicate.steps:
            output.line(f"  {'link ' if step.refused is None else 'no   '}  {_line(step.copy)}")
            if step.refused is not None:
                output.line(f"         {step.refused}")


def _line(copy: Copy) -> str:
    names = ", ".join(dict.fromkeys(copy.names))
    return f"{names} ({STORE_NAMES[copy.store]})"

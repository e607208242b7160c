"""Files that are there twice: which stays, and which would become links to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from localai.output.output import Output
from localai.output.store_names import STORE_NAMES
from localai.units import bytes_text, counted

if TYPE_CHECKING:
    from localai.library.duplicates import Copy, Duplicate


def print_duplicates(found: Sequence[Duplicate], output: Output) -> None:
    """Each group on stdout: its size, the file that stays, the files that would be linked, and
    those that would not, with the reason."""
    for duplicate in found:
        count = len({copy.inode for copy in (duplicate.kept, *(s.copy for s in duplicate.steps))})
        size = bytes_text(duplicate.size_bytes)
        output.line(
            f"{size}, {counted(count, 'time')} ({duplicate.digest.removeprefix('sha256:')[:12]})"
        )
        output.line(f"  stays  {_copy_text(duplicate.kept)}")
        for step in duplicate.steps:
            output.line(
                f"  {'link ' if step.refused is None else 'no   '}  {_copy_text(step.copy)}"
            )
            if step.refused is not None:
                output.line(f"         {step.refused}")


def _copy_text(copy: Copy) -> str:
    names = ", ".join(dict.fromkeys(copy.names))
    return f"{names} ({STORE_NAMES[copy.store]})"

"""What chat, batch and the session say: each call is one of an `Output` of this process."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from localai.output.output import Output
from localai.output.terminal import terminal_size

if TYPE_CHECKING:
    from localai.errors import LocalaiError
    from localai.output.documents import Document


def note(text: str) -> None:
    """A line for the person, on stderr."""
    Output("chat").note(text)


def warn(text: str) -> None:
    """A line that should not be overlooked, on stderr."""
    Output("chat").warn(text)


def show_failure(error: LocalaiError) -> None:
    """What went wrong, on stderr."""
    Output("chat").error(error)


def print_document(document: Document) -> None:
    """One document of the promise, on stdout."""
    Output("chat", as_json=True).document(document)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows under a header, on stdout."""
    Output("chat").table(columns, rows)


def width() -> int:
    """The columns of the terminal on stdout; 80 where there is none."""
    return terminal_size(sys.stdout)[0]

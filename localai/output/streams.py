"""Where output goes and in which form: the streams, whether a person looks, colour, JSON.

stdout carries the answer or the data and nothing else; notes and warnings go to stderr.
Standard library only: rich is imported where a table is drawn on a terminal.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from shutil import get_terminal_size
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from localai.output.documents import Document


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at `stream`."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def color_wanted(stream: TextIO | None) -> bool:
    """Whether colour may be written to `stream`: NO_COLOR and TERM=dumb say no, FORCE_COLOR yes."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def terminal_size(stream: TextIO | None) -> tuple[int, int]:
    """Columns and rows of the terminal behind `stream`, now; 80 by 24 where it does not say."""
    try:
        size = os.get_terminal_size(-1 if stream is None else stream.fileno())
    except (OSError, ValueError):
        return 80, 24
    return size.columns or 80, size.lines or 24


def stderr_color() -> bool:
    """Whether notes and errors may have colour."""
    return color_wanted(sys.stderr)


def note(text: str) -> None:
    """A line for the person, dim where there is colour. Never on stdout."""
    dim, reset = ("\x1b[2m", "\x1b[0m") if stderr_color() else ("", "")
    print(f"{dim}{fitted(text)}{reset}", file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """A line that should not be overlooked."""
    yellow, reset = ("\x1b[33m", "\x1b[0m") if stderr_color() else ("", "")
    shown = fitted(f"warning: {text}").removeprefix("warning:")
    print(f"{yellow}warning:{reset}{shown}", file=sys.stderr, flush=True)


def ask(question: str) -> bool:
    """Whether the person at the terminal says yes; Enter alone is no."""
    print(f"{fitted(f'{question} [y/N]')} ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def fitted(text: str) -> str:
    """A message for stderr: on a terminal its lines end between words, elsewhere as it is."""
    if not is_terminal(sys.stderr) or len(text) <= width():
        return text
    import textwrap

    lines = (
        textwrap.wrap(line, width(), break_long_words=False, break_on_hyphens=False) or [""]
        for line in text.splitlines()
    )
    return "\n".join(piece for line in lines for piece in line)


def print_document(document: Document) -> None:
    """One document of the promise on stdout."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(document, ensure_ascii=not is_utf8, indent=2), flush=True)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows under a header: drawn on a terminal, tab-separated in a pipe."""
    if not is_terminal(sys.stdout):
        for row in (columns, *rows):
            print("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(no_color=not color_wanted(sys.stdout), highlight=False, markup=False)
    console.print(table)


def width() -> int:
    """Columns of the terminal; 80 where there is none."""
    return get_terminal_size((80, 24)).columns

"""Names and what stands for them, in two columns that fit the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from localai.output.streams import width


def print_facts(rows: Sequence[tuple[str, str]]) -> None:
    """Each name with its text beside it, wrapped between words."""
    left = max((len(name) for name, _ in rows), default=0) + 2
    room = max(20, width() - left)
    for name, text in rows:
        lines = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
        print(f"{name:<{left}}{lines[0]}".rstrip())
        for line in lines[1:]:
            print(" " * left + line)

"""Reading where the terminal can do nothing but lines (TERM=dumb): an editor's shell buffer."""

from __future__ import annotations

from localai.session.interrupts import Interrupts
from localai.session.typed_text import is_open, repaired


class PlainReader:
    """Reads with `input`; the terminal itself edits the line."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts

    def read(self, prefill: str) -> str:
        """A line, or many between quotes. Raises EOFError, KeyboardInterrupt."""
        if prefill:
            print(prefill)
        try:
            with self._interrupts.watched():
                text = input(">>> ")
                while is_open(text):
                    text += "\n" + input("... ")
        except (EOFError, KeyboardInterrupt):
            print()
            raise
        return repaired(text)

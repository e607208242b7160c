"""Reading where the terminal can do nothing but lines (TERM=dumb): an editor's shell buffer."""

from __future__ import annotations

from localai.commands.session.typed_text import is_open, repaired


class PlainReader:
    """Reads with `input`; the terminal itself edits the line."""

    def read(self, prefill: str) -> str:
        """A line, or many between quotes. Raises EOFError, KeyboardInterrupt."""
        if prefill:
            print(prefill)
        try:
            text = input(">>> ")
            while is_open(text):
                text += "\n" + input("... ")
        except (EOFError, KeyboardInterrupt):
            print()
            raise
        return repaired(text)

"""An answer of which only a part is wanted, or which is shown as it is and not as Markdown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localai.output.play import Writer


class HeldBack:
    """Shows the thinking and what is waited for through `writer`, and keeps the text back."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._characters = 0

    def text(self, text: str) -> None:
        """Only count it."""
        self._characters += len(text)
        self._writer.status(f"{self._characters:,} characters so far")

    def reasoning(self, text: str) -> None:
        """Show it."""
        self._writer.reasoning(text)

    def status(self, status: str | None) -> None:
        """Show it."""
        self._writer.status(status)

    def close(self, *, interrupted: bool = False) -> None:
        """The answer has ended, and nothing of it was shown."""
        self._writer.close(interrupted=interrupted)


def print_plain(text: str, *, raw: bool) -> None:
    """`text` on stdout with one newline at its end, without Markdown; escapes only with `raw`."""
    from localai.output.answer import PlainAnswer

    writer = PlainAnswer(sys.stdout.buffer, None, raw=raw)
    writer.text(text)
    writer.close()

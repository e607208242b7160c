"""The white space around reasoning, for an engine that tells reasoning and answer apart by the tags
alone.

A model writes `…so.\n</think>\n\nHello.`: what stands beside the tags belongs to the format and is
dropped, as `ReasoningSplitter` drops it where both come as one text. Pure, standard library only.
"""

from __future__ import annotations


class ReasoningEdges:
    """Trims the pieces of one answer. Nothing changes in an answer without reasoning."""

    def __init__(self) -> None:
        self._after_reasoning = False
        self._has_words = False
        self._held = ""

    def reasoning(self, piece: str) -> str:
        """The next piece of reasoning. White space at its end waits for more of it."""
        self._after_reasoning = True
        piece = self._held + piece if self._has_words else piece.lstrip()
        shown = piece.rstrip()
        self._held = piece[len(shown) :]
        self._has_words = self._has_words or shown != ""
        return shown

    def text(self, piece: str) -> str:
        """The next piece of the answer, without the white space that follows reasoning."""
        if self._after_reasoning:
            piece = piece.lstrip()
        if piece:
            self._after_reasoning = self._has_words = False
            self._held = ""
        return piece

"""Cut an answer at a stop string that may arrive in pieces. Pure text, no engine."""

from __future__ import annotations

from collections.abc import Sequence


class StopStrings:
    """Looks for any of `stops` in a text that comes in pieces.

    A possible beginning of a stop string is held back until the next piece decides.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.found = False

    def feed(self, piece: str) -> str:
        """The text that may be shown after `piece`; text behind a stop string is dropped."""
        if self.found:
            return ""
        text = self._held + piece
        ends = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if ends:
            self.found = True
            self._held = ""
            return text[: min(ends)]
        keep = max((_beginning_at_end(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """The text that was held back, once nothing follows."""
        rest, self._held = self._held, ""
        return rest


def _beginning_at_end(text: str, stop: str) -> int:
    """How many characters at the end of `text` are an incomplete beginning of `stop`."""
    for length in range(min(len(stop) - 1, len(text)), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0

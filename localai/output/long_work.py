"""How far a long work is: on a terminal the live line, elsewhere a line now and then."""

from __future__ import annotations

import time
from typing import Final

from localai.output.output import Output

_SAY_AGAIN_S: Final = 30.0


class LongWork:
    """Shows on stderr, through `output`, how far a work of minutes or hours is."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._said_at = time.monotonic()

    def show(self, text: str) -> None:
        """Show it, if there has been time to read what was shown before."""
        if self._output.shows_progress:
            self._output.progress(text)
        elif time.monotonic() - self._said_at >= _SAY_AGAIN_S:
            self._said_at = time.monotonic()
            self._output.note(text)

    def clear(self) -> None:
        """Take the live line away, so that others can be written."""
        self._output.end_progress()

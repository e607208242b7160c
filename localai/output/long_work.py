"""The progress of long work: on a terminal the live line, elsewhere a line now and then."""

from __future__ import annotations

import time
from typing import Final

from localai.output.output import Output

_SAY_AGAIN_S: Final = 30.0


class LongWork:
    """Shows the progress of minutes or hours of work on stderr, through `output`."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._said_at = time.monotonic()

    def show(self, text: str) -> None:
        """Show the progress, if the text before had time to be read."""
        if self._output.shows_progress:
            self._output.progress(text)
        elif time.monotonic() - self._said_at >= _SAY_AGAIN_S:
            self._said_at = time.monotonic()
            self._output.note(text)

    def clear(self) -> None:
        """Remove the live line, so that other lines can be written."""
        self._output.end_progress()

"""How far something is that says so in steps: between two of them, what the last step's speed makes
likely.

An engine reads a prompt in steps, and on a slow machine one takes many seconds. The share never
passes the end of the step that is being computed, so that the next word of the engine corrects it
by little. Within the first step only the seconds run: llama.cpp and MLX say nothing before a step
is computed, the last answer's speed is of another depth, model or load, and a share that was
guessed would look like one that the engine said. A first step that is shorter costs more than it
tells (`engine/llamacpp/steps.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable


class StepShare:
    """The share, from 0 to 1, of something that is done in steps of about the same size."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at: float | None = None
        self._share = self._step = self._rate = 0.0

    def reached(self, share: float) -> None:
        """So much is done. The first call says where it begins, each later one ends a step."""
        now = self._clock()
        if self._at is not None and share > self._share and now > self._at:
            self._step = share - self._share
            self._rate = self._step / (now - self._at)
        self._share, self._at = share, now

    def now(self) -> float:
        """What is likely to be done by now; before the first step's end, where it began."""
        since = 0.0 if self._at is None else self._rate * (self._clock() - self._at)
        # The last hundredth is the engine's to say.
        most = max(self._share, min(0.99, self._share + self._step))
        return min(self._share + since, most)

"""Where a benchmark is: what a live line shows while it runs."""

from __future__ import annotations

from typing import Literal

from localai.dataclass import dataclass
from localai.statistics import Interval

Phase = Literal["loading", "fitting", "warming", "measuring", "scoring"]


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run. `done` and `wanted` count the repetitions of the row, or hundredths of
    a text that is scored. `left_s` is about how many seconds the whole run still takes, None if
    that is not known yet."""

    phase: Phase
    model: str
    test: str
    done: int = 0
    wanted: int = 0
    prefill: Interval | None = None
    decode: Interval | None = None
    left_s: float | None = None

"""A fixed piece of work, the same on every machine and at any time: how fast is it just now?

SHA-256 over a buffer in every core, which needs neither the engine nor memory. Measured before and
after a run it says whether the machine itself became slower: heat, a battery, a neighbour.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

from localai.parallel import Step, in_step
from localai.statistics import Interval, median_interval

_BUFFER: Final = bytes(1 << 20)
_WINDOW_S: Final = 0.05
_WINDOWS: Final = 12
_MOVED: Final = 0.03


def anchor(cores: int) -> Interval:
    """Bytes a second that all cores hash together, in six tenths of a second: the median of
    windows."""
    totals = [[0.0] * _WINDOWS for _ in range(cores)]

    def work(own: list[float], wait_for_others: Step) -> None:
        for window in range(_WINDOWS):
            wait_for_others()
            begin, done = time.perf_counter(), 0
            while (taken := time.perf_counter() - begin) < _WINDOW_S:
                # It lets go of the interpreter's lock meanwhile.
                hashlib.sha256(_BUFFER)
                done += len(_BUFFER)
            own[window] = done / taken

    in_step([partial(work, own) for own in totals])
    return median_interval([sum(rates) for rates in zip(*totals, strict=True)])


def has_moved(anchors: Sequence[Interval]) -> bool:
    """Whether the machine was not the same at two anchors of a run: they differ by more than 3%,
    and by more than chance.

    A virtual machine's cores may be 3 to 8% faster or slower each second, on the whole no slower;
    the windows of one anchor show it, and then the intervals of two overlap.
    """
    if not anchors:
        return False
    slow, fast = (which(anchors, key=lambda each: each.value) for which in (min, max))
    assert slow.high is not None
    assert fast.low is not None
    return slow.high < fast.low and slow.value < (1 - _MOVED) * fast.value

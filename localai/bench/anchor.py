"""A fixed piece of work, the same on every machine and at any time: how fast is it just now?

SHA-256 over a buffer in every core, which needs neither the engine nor memory. Measured before and
after a run it says whether the machine itself became slower: heat, a battery, a neighbour.
"""

from __future__ import annotations

import hashlib
import threading
import time
from statistics import median
from typing import Final

_BUFFER: Final = bytes(1 << 20)
_WINDOW_S: Final = 0.05
_WINDOWS: Final = 6
MOVED: Final = 0.03
"""More than this between two anchors, and the machine was not the same."""


def anchor(cores: int) -> float:
    """Bytes a second that all cores hash together, in a third of a second."""
    totals = [[0.0] * _WINDOWS for _ in range(cores)]
    start = threading.Barrier(cores)

    def work(own: list[float]) -> None:
        for window in range(_WINDOWS):
            start.wait()
            begin, done = time.perf_counter(), 0
            while (taken := time.perf_counter() - begin) < _WINDOW_S:
                # It lets go of the interpreter's lock meanwhile.
                hashlib.sha256(_BUFFER)
                done += len(_BUFFER)
            own[window] = done / taken

    threads = [threading.Thread(target=work, args=(own,)) for own in totals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return float(median(sum(rates) for rates in zip(*totals, strict=True)))


def moved(anchors: list[float]) -> float:
    """By how much the anchors of a run differ, as a share of the fastest."""
    return (max(anchors) - min(anchors)) / max(anchors) if anchors else 0.0

"""Time on a machine that does something else as well.

A test that bounds a duration is marked `clock`, and gives its bound for a quiet machine. What
others take away is measured and added; on a quiet machine the bound is what is written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PROBE_S = 0.05


def slowdown() -> float:
    """How many times longer a computation takes now than on a quiet machine: 1 or more.

    The larger of what a short computation meets at this moment and of what the last minute's load
    comes to for each core.
    """
    wall, own = time.perf_counter(), time.thread_time()
    while time.thread_time() - own < _PROBE_S:
        pass
    met = (time.perf_counter() - wall) / _PROBE_S
    return max(1.0, met, os.getloadavg()[0] / (os.cpu_count() or 1))


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise AssertionError unless the block takes at most `seconds` of a quiet machine."""
    started = time.perf_counter()
    yield
    taken = time.perf_counter() - started
    if taken > seconds:
        factor = slowdown()
        assert taken <= seconds * factor, (
            f"{taken:.3f} s, where {seconds} s are allowed, {factor:.1f} times that at this load"
        )


def becomes(condition: Callable[[], bool], within_s: float) -> bool:
    """Whether `condition` comes true within that time of a quiet machine."""
    started = time.monotonic()
    while not condition():
        waited = time.monotonic() - started
        if waited > within_s and waited > within_s * slowdown():
            return condition()
        time.sleep(0.02)
    return True

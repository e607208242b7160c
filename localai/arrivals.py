"""When the pieces of an answer came, for those who time it.

After a pause the processor's caches hold what others computed, and to read an event of 90 bytes
costs several times as much as it does in a row. So a thread that times an answer (`collecting`)
only stamps what comes, and makes events of it when the answer has ended: the stamps are those of
the arrival, and the client takes little from an engine that computes beside it. Whoever asks
`arrived` is told the stamp of the piece that is being read, and everywhere else the time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from localai.patterns import lazy_pattern

# After one of these the server may send nothing more and keep the connection: from there on each
# piece is passed on as it comes, so that whoever reads can stop. A quotation mark within a text is
# escaped, so a text holds none but the first, which does no harm.
_END = lazy_pattern(rb'\[DONE\]|"finish_reason": ?"|"done": ?true')
# No longer without passing on: an answer that makes no progress is broken off.
_LONGEST_S = 30.0

_State = Literal["goes on", "ended", "closed"]


class _Here(threading.local):
    collects = False
    at: float | None = None
    read_at: float | None = None


_here = _Here()


@contextmanager
def collecting() -> Iterator[None]:
    """Within the block, answers that this thread reads are collected."""
    _here.collects = True
    try:
        yield
    finally:
        _here.collects, _here.at, _here.read_at = False, None, None


def is_collecting() -> bool:
    """Whether this thread collects."""
    return _here.collects


def mark(at: float | None = None) -> None:
    """Bytes have been read from a socket, where they came `at` that moment on `time.perf_counter`,
    or just now. It is that of what is found in them: to take an answer apart costs as much again as
    to be woken for it."""
    if _here.collects:
        _here.read_at = time.perf_counter() if at is None else at


def arrived() -> float:
    """When what is being read came, on `time.perf_counter`."""
    at = _here.at
    return time.perf_counter() if at is None else at


def pieces(read: Callable[[], bytes]) -> Iterator[bytes]:
    """What `read` returns, up to an empty one. Where this thread collects, the pieces of half a
    minute at a time. Raises what `read` raises, after the pieces before it."""
    if not _here.collects:
        yield from iter(read, b"")
        return
    state: _State = "goes on"
    while state == "goes on":
        came: list[tuple[float, bytes]] = []
        try:
            state = _collect(read, came)
        except Exception:
            yield from _in_turn(came)
            raise
        yield from _in_turn(came)
    while state == "ended" and (piece := read()):
        _here.at = time.perf_counter()
        yield piece


def _in_turn(came: list[tuple[float, bytes]]) -> Iterator[bytes]:
    for at, piece in came:
        _here.at = at
        yield piece


def _collect(read: Callable[[], bytes], came: list[tuple[float, bytes]]) -> _State:
    """Put what comes into `came`, for half a minute at most."""
    clock, is_end, here = time.perf_counter, _END.search, _here
    until = clock() + _LONGEST_S
    while piece := read():
        at = here.read_at or clock()
        came.append((at, piece))
        if is_end(piece):
            return "ended"
        if at > until:
            return "goes on"
    return "closed"

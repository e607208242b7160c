"""Pieces that are stamped as they come, and read when the answer has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import pytest

from localai.arrivals import arrived, collecting, pieces

GAP_S = 0.02


def reader(parts: Sequence[bytes | Exception]) -> Callable[[], bytes]:
    """Returns one of `parts` after the other, each after a pause; then nothing."""
    coming: Iterator[bytes | Exception] = iter(parts)

    def read() -> bytes:
        time.sleep(GAP_S)
        part = next(coming, b"")
        if isinstance(part, Exception):
            raise part
        return part

    return read


def test_a_stamp_is_that_of_the_arrival_however_late_it_is_read() -> None:
    read, returned = reader([b"one", b"two", b"three"]), []

    def told() -> bytes:
        piece = read()
        returned.append(time.perf_counter())
        return piece

    stamps = []
    with collecting():
        for _ in pieces(told):
            time.sleep(GAP_S)
            stamps.append(arrived())
    assert len(stamps) == 3
    assert all(a <= stamp < b for stamp, (a, b) in zip(stamps, pairwise(returned), strict=True))
    assert arrived() > returned[-1], "outside it is the time"


def test_what_came_before_a_failure_is_read_first() -> None:
    seen = []
    with collecting(), pytest.raises(OSError, match="broke"):
        for piece in pieces(reader([b"one", b"two", OSError("it broke")])):
            seen.append(piece)
    assert seen == [b"one", b"two"]


@pytest.mark.parametrize(
    "end", [b"data: [DONE]\n\n", b'{"finish_reason":"stop"}', b'{"message": {}, "done":true}']
)
def test_after_an_answers_end_nothing_more_is_waited_for(end: bytes) -> None:
    read = reader([b'{"finish_reason":null}', end, OSError("it was asked for more")])
    with collecting():
        came = pieces(read)
        assert [next(came), next(came)] == [b'{"finish_reason":null}', end]


def test_elsewhere_each_piece_is_passed_on_as_it_comes() -> None:
    came = pieces(reader([b"one", OSError("too early")]))
    assert next(came) == b"one"

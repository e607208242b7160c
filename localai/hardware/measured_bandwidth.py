"""How fast main memory is, measured in about a second: what limits decoding on a CPU.

The C library's own routines move the bytes, called through ctypes, which releases the interpreter's
lock: `memchr` and `memcmp` for reading, `memcpy` for copying. Nothing is compiled. Bytes are
counted as STREAM counts them: a copy of N bytes is N read and N written, without what the hardware
moves beyond that (a write-allocate). Each thread works through memory of its own for a fixed time,
so that slow cores do not hold up fast ones.
"""

from __future__ import annotations

import ctypes
import mmap
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from localai.dataclass import dataclass
from localai.hardware.facts import Fact
from localai.parallel import Step, in_step, in_threads
from localai.units import counted

# The bytes of one call of a routine. It takes a tenth of a millisecond, beside which the
# interpreter's part is negligible.
_PIECE_BYTES: Final = 4 << 20
_WINDOW_S: Final = 0.008
_WINDOWS: Final = 15
# The least and the most bytes of all threads' buffers together: beyond any cache, but not so much
# that other programs notice.
_LEAST_BYTES: Final = 256 << 20
_MOST_BYTES: Final = 2 << 30
_LEAST_SHARE_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """A measurement: bytes per second, the number of threads, the size of the memory, and the time
    (ISO 8601, UTC). The rates are the best of the thread counts tried."""

    read_bytes_per_s: float
    copy_bytes_per_s: float
    read_threads: int
    copy_threads: int
    buffer_bytes: int
    took_s: float
    measured_at: str

    def fact(self) -> Fact[float]:
        """The rate of reading, as the machine's memory bandwidth."""
        threads = counted(self.read_threads, "thread")
        how = f"read by {threads}, {self.measured_at[:10]}"
        return Fact(self.read_bytes_per_s, how, "measured")


def measure_bandwidth(
    cores: int, *, cache_bytes: int | None = None, available_bytes: int | None = None
) -> Bandwidth:
    """Measure main memory's bandwidth with up to `cores` threads, in less than two seconds.

    `cache_bytes` is the machine's last-level cache; four times as much is worked through, so that
    the cache cannot help. At most an eighth of `available_bytes` is taken.
    """
    begin = time.perf_counter()
    wanted = min(max(_LEAST_BYTES, 4 * (cache_bytes or 0)), _MOST_BYTES)
    if available_bytes is not None:
        wanted = min(wanted, available_bytes // 8)
    share = max(wanted // (2 * cores), _LEAST_SHARE_BYTES)
    areas = [_Area(share) for _ in range(cores)]
    in_threads(_Area.touch, areas)
    counts = sorted({max(1, cores // 2), cores})
    reads = [
        (_rate(routine, areas[:count]), count)
        for count in counts
        for routine in (_search, _compare)
    ]
    copies = [(_rate(_copy, areas[:count]), count) for count in counts]
    (read, read_threads), (copy, copy_threads) = max(reads), max(copies)
    return Bandwidth(
        read_bytes_per_s=read,
        copy_bytes_per_s=copy,
        read_threads=read_threads,
        copy_threads=copy_threads,
        buffer_bytes=2 * share * cores,
        took_s=time.perf_counter() - begin,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


class _Area:
    """Two equal buffers of one thread."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._maps = mmap.mmap(-1, size_bytes), mmap.mmap(-1, size_bytes)
        self.source, self.target = (
            ctypes.addressof(ctypes.c_char.from_buffer(buffer)) for buffer in self._maps
        )

    def touch(self) -> None:
        """Fill both buffers, so that the kernel places their pages near the thread that will use
        them."""
        _MEMSET(self.source, 1, self.size_bytes)
        _MEMSET(self.target, 1, self.size_bytes)


def _c_function(name: str, *arguments: Any) -> Any:
    function = getattr(ctypes.CDLL(None), name)
    function.argtypes = arguments
    function.restype = ctypes.c_void_p
    return function


_MEMSET = _c_function("memset", ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
_MEMCHR = _c_function("memchr", ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
_MEMCMP = _c_function("memcmp", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_MEMCPY = _c_function("memcpy", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)

# One thread's result for one window: bytes, start, end.
_Span = tuple[int, float, float]

# A routine works on `size` bytes at `offset` and returns how many bytes to count.
_Routine = Callable[[_Area, int, int], int]


def _search(area: _Area, offset: int, size: int) -> int:
    _MEMCHR(area.source + offset, 0, size)
    return size


def _compare(area: _Area, offset: int, size: int) -> int:
    _MEMCMP(area.source + offset, area.target + offset, size)
    return 2 * size


def _copy(area: _Area, offset: int, size: int) -> int:
    _MEMCPY(area.target + offset, area.source + offset, size)
    return 2 * size


def _rate(routine: _Routine, areas: list[_Area]) -> float:
    """Bytes per second with a thread for each of `areas`. The best window counts, as in STREAM,
    because other programs can only make it slower.

    The threads live through all windows: the scheduler needs a while to spread new ones.
    """
    spans: list[list[_Span]] = []

    def work(area: _Area, wait_for_others: Step) -> None:
        own: list[_Span] = []
        spans.append(own)
        size = min(_PIECE_BYTES, area.size_bytes)
        pieces = area.size_bytes // size
        turn = 0
        for _ in range(_WINDOWS):
            wait_for_others()
            begin = now = time.perf_counter()
            done = 0
            while now - begin < _WINDOW_S:
                done += routine(area, turn % pieces * size, size)
                turn += 1
                now = time.perf_counter()
            own.append((done, begin, now))

    in_step([partial(work, area) for area in areas])
    return max(_rate_of_window(window) for window in zip(*spans, strict=True))


def _rate_of_window(window: Iterable[_Span]) -> float:
    """All bytes, divided by the time from the first thread's start to the last one's end."""
    done, begins, ends = zip(*window, strict=True)
    return float(sum(done) / (max(ends) - min(begins)))

"""When the kernel received what is read from a TCP socket (Linux, SO_TIMESTAMPNS).

Whoever waits for bytes is woken some time after they came: 20 to 90 µs on an idle machine, 6 ms
where others compute. The kernel's own stamp does not wait: on a machine with a load of 17 it was 21
µs behind the sender's, and 55 µs at the 99th percentile. Unix sockets, TLS and other systems have
none.
"""

from __future__ import annotations

import platform
import socket
import struct
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from localai.privacy.policy import SO_TIMESTAMPNS

# Typed as a plain text, so that mypy checks the branches of every system.
_PLATFORM: str = sys.platform
# On others the option, which is also the kind of message that a stamp comes in, may have another
# number.
_PROCESSORS: Final = ("x86_64", "aarch64", "riscv64")
_TIMESPEC: Final = struct.Struct("qq")
_ANCILLARY_BYTES: Final = 64
_LOOKS: Final = 5

StampedRead = Callable[[Any], tuple[int, float | None]]
"""Reads into a buffer: how many bytes, and when the last of them came, on `time.perf_counter`."""


def stamped_read(sock: socket.socket) -> StampedRead | None:
    """How to read from `sock` with stamps; None where there are none."""
    has_stamps = _PLATFORM == "linux" and platform.machine() in _PROCESSORS
    if not has_stamps or type(sock) is not socket.socket:
        return None
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        _keep_stamping()
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    except OSError:
        return None
    begun, behind = time.perf_counter(), _wall_clock_behind()

    def read(buffer: Any) -> tuple[int, float | None]:
        size, messages, _, _ = sock.recvmsg_into([buffer], _ANCILLARY_BYTES)
        at = _stamp(messages)
        if at is None or not begun <= at + behind <= time.perf_counter():
            # The wall clock was set meanwhile, or there was none.
            return size, None
        return size, at + behind

    return read


@cache
def _keep_stamping() -> socket.socket:
    """A socket that is bound to nothing and wants stamps, while this process lives. The kernel
    stamps nothing until somebody wants it, and begins a while after that: not with each answer."""
    idle = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    idle.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    return idle


def _stamp(messages: list[tuple[int, int, bytes]]) -> float | None:
    """The stamp among the `messages` that came beside the bytes, in seconds since the epoch."""
    for level, kind, data in messages:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS) and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return float(seconds) + float(nanoseconds) / 1e9
    return None


def _wall_clock_behind() -> float:
    """What `time.perf_counter` is ahead of the wall clock in seconds, by the quickest look at
    both."""
    looks = []
    for _ in range(_LOOKS):
        before, wall, after = time.perf_counter_ns(), time.time_ns(), time.perf_counter_ns()
        looks.append((after - before, (before + after) // 2 - wall))
    return min(looks)[1] / 1e9

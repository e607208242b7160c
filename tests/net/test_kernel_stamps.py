"""The kernel's own stamps of what comes over a socket."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from localai.net.kernel_stamps import stamped_read


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        one = socket.create_connection(listener.getsockname())
        with closing(one), closing(listener.accept()[0]) as other:
            yield one, other


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux stamps what comes")
def test_what_waited_to_be_read_came_when_it_was_sent(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    sender, reader = ends
    read, buffer = stamped_read(reader), bytearray(100)
    assert read is not None
    # The kernel begins a while after the first who wants stamps.
    for _ in range(20):
        sent = time.perf_counter()
        sender.sendall(b"a piece")
        time.sleep(0.1)
        asked = time.perf_counter()
        size, at = read(buffer)
        assert bytes(buffer[:size]) == b"a piece"
        if at is not None and at < asked:
            break
    assert at is not None
    assert sent - 0.001 <= at < asked


def test_where_the_kernel_has_no_stamps_nothing_is_read_by_them() -> None:
    for end in socket.socketpair():
        assert stamped_read(end) is None
        end.close()

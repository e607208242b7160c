"""Servers whose answer never ends before its body does: no silence, nothing that a time-out would
notice."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HEADS = {
    "go on": [b"HTTP/1.1 100 Continue\r\n\r\n"],
    "letters": [b"HTTP/1.1 200 OK\r\nX: ", b"y"],
    "a chunk": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;", b"y"],
    "a refusal": [b"HTTP/1.1 500 No\r\nContent-Length: 1000000\r\n\r\n", b" "],
}


@contextmanager
def endless_head(kind: str) -> Iterator[int]:
    """The port of a server that sends the last piece of `kind` again and again."""
    *begin, piece = HEADS[kind]

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with suppress(OSError), connection:
                    connection.recv(1 << 16)
                    connection.sendall(b"".join(begin))
                    while True:
                        connection.sendall(piece)
                        time.sleep(0.01)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]

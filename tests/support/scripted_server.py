"""A loopback HTTP server that plays given bytes, at given moments, over a real socket.

For what a real server does not do on demand: a character split between two packets, an error in
mid-stream, a connection that breaks, a first token that takes long. It keeps what it was asked,
byte for byte, so that a test can say what did *not* arrive.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing for `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Held:
    """Send nothing until the test has released `by` once more."""

    by: threading.Semaphore


@dataclass(frozen=True, slots=True)
class Drop:
    """Reset the connection, as a server that dies does."""


@dataclass(frozen=True, slots=True)
class UntilClosed:
    """Send `piece` again and again until the client closes, as a model that never stops does."""

    piece: bytes


Step = bytes | Pause | Held | Drop | UntilClosed


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and the steps of its body. Each `bytes` is one packet and one HTTP chunk.

    `silence_s` passes before the head is sent.
    """

    steps: Sequence[Step] = ()
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    silence_s: float = 0.0


def json_reply(document: Any, status: int = 200) -> Reply:
    """A reply that is one JSON document."""
    return Reply([json.dumps(document).encode()], status)


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request that arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """Its body as JSON."""
        return json.loads(self.content)


class ScriptedServer:
    """Answers "METHOD /path" from `routes`; of a list the first is used up first, the last stays.

    A path that ends with `*` answers for whatever begins like it. What is not in the table is
    404. `client_closed` is set when a client went away in the middle of an answer.
    """

    def __init__(self, routes: Mapping[str, Reply | list[Reply]] | None = None) -> None:
        self.routes: dict[str, Reply | list[Reply]] = dict(routes or {})
        self.asked: list[ReceivedRequest] = []
        self.client_closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://{self.address}"

    def paths(self) -> list[str]:
        """What was asked so far, as "METHOD /path"."""
        return [f"{asked.method} {asked.path}" for asked in self.asked]

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(self, *_: object) -> None:
        # shutdown wakes the accept() that another thread is in; close alone does not on Linux.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb") as stream:
            while (asked := read_request(stream)) is not None:
                self.asked.append(asked)
                try:
                    if not _play(connection, self._reply(asked)):
                        return
                except OSError:
                    self.client_closed.set()
                    return

    def _reply(self, asked: ReceivedRequest) -> Reply:
        key = f"{asked.method} {asked.path.split('?')[0]}"
        found = self.routes.get(key)
        if found is None:
            prefixes = [route for route in self.routes if route.endswith("*")]
            match = next((route for route in prefixes if key.startswith(route[:-1])), None)
            if match is None:
                return json_reply({"error": f"no route {key}"}, 404)
            found = self.routes[match]
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found


def read_request(stream: Any) -> ReceivedRequest | None:
    try:
        line = stream.readline().decode("latin-1")
        if not line.strip():
            return None
        method, path, _ = line.split(" ", 2)
        headers = {}
        while header := stream.readline().decode("latin-1").strip():
            name, _, value = header.partition(":")
            headers[name.strip().lower()] = value.strip()
        return ReceivedRequest(
            method, path, headers, stream.read(int(headers.get("content-length", 0)))
        )
    except OSError:
        return None


def _play(connection: socket.socket, reply: Reply) -> bool:
    """Send `reply`; False if the connection is over."""
    time.sleep(reply.silence_s)
    head = [f"HTTP/1.1 {reply.status} -", f"Content-Type: {reply.content_type}"]
    head += [f"{name}: {value}" for name, value in reply.headers.items()]
    head += ["Transfer-Encoding: chunked"]
    connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
    for step in reply.steps:
        match step:
            case bytes():
                connection.sendall(_chunk(step))
            case Pause(seconds):
                time.sleep(seconds)
            case Held(by):
                by.acquire(timeout=60)
            case Drop():
                # A linger of zero makes the kernel send RST instead of FIN.
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return False
            case UntilClosed(piece):
                while True:
                    connection.sendall(_chunk(piece))
                    time.sleep(0.005)
    connection.sendall(b"0\r\n\r\n")
    return True


def _chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"

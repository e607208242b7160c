"""A loopback HTTP server of files, with ranges and ETags, that misbehaves when it is told to.

python -m tests.support.file_server FOLDER     serves FOLDER until it is killed
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

PIECE_BYTES = 64 << 10


@dataclass(slots=True)
class Served:
    """A file as it is served; `headers` are added to each answer."""

    content: bytes
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    etag: bool = True


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived; the names of `headers` are in lower case. `query` is what follows the ?."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


class FileServer:
    """Serves `files` by path on `address`.

    `scripts` by path answer instead of a file: they get the handler, and may do anything with
    the connection. `bytes_per_s` bounds the rate of each connection; `drop_after` cuts every
    connection after so many bytes of a body, for as many times as `drops` says. To
    CONNECT it says yes.
    """

    def __init__(
        self, *, address: str = "127.0.0.1", port: int = 0, tls: tuple[Path, Path] | None = None
    ) -> None:
        self.files: dict[str, Served] = {}
        self.scripts: dict[str, Callable[[Handler], None]] = {}
        self.requests: list[Request] = []
        self.sent_bytes = 0
        self.bytes_per_s: float | None = None
        self.drop_after: int | None = None
        self.drops = 1
        self._lock = threading.Lock()
        self.address = address
        self._server = _Server((address, port), self)
        if tls is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.scheme = "http" if tls is None else "https"
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def host(self) -> str:
        """`ADDRESS:PORT`."""
        return f"{self.address}:{self.port}"

    @property
    def url(self) -> str:
        """Its origin, without a slash at the end."""
        return f"{self.scheme}://{self.host}"

    def put(self, path: str, content: bytes, **headers: str) -> str:
        """Serve `content` at `path`; the URL of it."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.files[path] = Served(content, named)
        return self.url + path

    def redirect(self, path: str, target: str, status: int = 302) -> str:
        """Send whoever asks for `path` to the URL `target`; the URL of `path`."""

        def script(handler: Handler) -> None:
            handler.send_response(status)
            handler.send_header("Location", target)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        self.scripts[path] = script
        return self.url + path

    @property
    def idle(self) -> bool:
        """Whether nobody is connected."""
        return not self._server.connections

    def count(self, sent_bytes: int) -> None:
        """Add to `sent_bytes`, from any thread."""
        with self._lock:
            self.sent_bytes += sent_bytes

    def paths(self) -> list[str]:
        """The paths that were asked for."""
        return [request.path for request in self.requests]

    def stop(self) -> None:
        """Stop listening and cut every connection, as a server that dies does."""
        self._server.shutdown()
        self._server.server_close()
        self._server.cut()

    def __enter__(self) -> FileServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class _Server(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], owner: FileServer) -> None:
        self.owner = owner
        self.connections: set[socket.socket] = set()
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """As a TCP server does; an HTTP server would ask a resolver for its own name."""
        socketserver.TCPServer.server_bind(self)

    def cut(self) -> None:
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is what tests do."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *arguments: object) -> None:
        """Tests are quiet."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        owner = self.server.owner
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner.requests.append(Request(self.command, url.path, url.query, headers))
        if url.path in owner.scripts:
            owner.scripts[url.path](self)
        elif url.path in owner.files:
            self.serve(owner.files[url.path])
        else:
            self.answer(404, b"not here")

    def do_CONNECT(self) -> None:
        """As a proxy: what follows on the connection is answered as if by the other side."""
        self.server.owner.requests.append(Request("CONNECT", self.path, "", {}))
        self.send_response(200)
        self.end_headers()
        # http.client asks in HTTP/1.0, which would end it here.
        self.close_connection = False

    def answer(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole answer."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def drop(self) -> None:
        """Reset the connection."""
        # A linger of zero makes the kernel send RST instead of FIN.
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True

    def serve(self, served: Served) -> None:
        """Send `served`, or the part of it that was asked for."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        size = len(served.content)
        etag = f'"{hashlib.sha256(served.content).hexdigest()[:16]}"'
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))
        current = headers.get("if-range") in (None, etag)
        start, end = 0, size
        if match and served.ranges and current:
            start, end = int(match[1]), min(int(match[2] or size) + 1, size)
            if start >= size:
                self.answer(416, b"", {"Content-Range": f"bytes */{size}"})
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        else:
            self.send_response(200)
        if served.etag:
            self.send_header("ETag", etag)
        for name, value in served.headers.items():
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name in served.headers):
            self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if self.command != "HEAD":
            self._body(memoryview(served.content)[start:end])

    def _body(self, content: memoryview) -> None:
        owner = self.server.owner
        sent = 0
        started = time.monotonic()
        while sent < len(content):
            if owner.drops > 0 and owner.drop_after is not None and sent >= owner.drop_after:
                owner.drops -= 1
                self.drop()
                return
            piece = content[sent : sent + PIECE_BYTES]
            # Counted first: whoever has read it finds it counted.
            owner.count(len(piece))
            self.wfile.write(piece)
            sent += len(piece)
            if owner.bytes_per_s is not None:
                time.sleep(max(0.0, started + sent / owner.bytes_per_s - time.monotonic()))


def main() -> None:
    folder = Path(sys.argv[1])
    server = FileServer()
    for path in folder.iterdir():
        server.put(f"/{path.name}", path.read_bytes())
    print(server.url, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        while os.getppid() != 1:
            time.sleep(0.2)


if __name__ == "__main__":
    main()

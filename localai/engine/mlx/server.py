"""HTTP on the MLX worker's Unix socket: framing, queueing, and noticing that a client has gone.

Every connection has a thread here; the one thread that may touch MLX takes `Job`s from a queue and
knows nothing of sockets. The routes speak the wire of llama.cpp's
server. `mlx_lm.server` is not used: it binds TCP, loads (and downloads) whatever model a request
names, fetches pictures by URL, has no limit to the context and no timings of its own.
"""

from __future__ import annotations

import contextlib
import json
import queue
import select
import socket
import socketserver
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal

from localai.errors import InvalidInput, LocalaiError, NotFound
from localai.wires.refusals import error_object, status_and_kind

# How often to check for a gone client while nothing is sent.
_LOOK_EVERY_S = 0.05
_LARGEST_BODY_BYTES = 256 << 20

Route = Literal["/v1/chat/completions", "/tokenize", "/apply-template", "/context"]
_ROUTES: tuple[Route, ...] = ("/v1/chat/completions", "/tokenize", "/apply-template", "/context")
Reply = Mapping[str, Any] | LocalaiError | None
"""A document or a chunk, an error, or the end."""

_STREAMED: Route = "/v1/chat/completions"


class Job:
    """One request on its way to the computing thread, and its answers on their way back."""

    def __init__(self, route: Route, body: Mapping[str, Any]) -> None:
        self.route = route
        self.body = body
        self.cancelled = threading.Event()
        self._answers: queue.SimpleQueue[Reply] = queue.SimpleQueue()

    def emit(self, answer: Mapping[str, Any]) -> None:
        """Send a document, or a chunk of a stream."""
        self._answers.put(answer)

    def refuse(self, error: LocalaiError) -> None:
        """Send an error and end."""
        self._answers.put(error)

    def end(self) -> None:
        """Say that nothing follows."""
        self._answers.put(None)

    def next_answer(self, timeout_s: float) -> Reply:
        """The next answer; None is the end. Raises queue.Empty after `timeout_s`."""
        return self._answers.get(timeout=timeout_s)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Listens on the Unix socket `path`; the computing thread reads `jobs`.

    `computing` is set by that thread while an answer is computed.
    """

    daemon_threads = True
    # Requests wait in `jobs`, not in the kernel's backlog.
    request_queue_size = 64

    def __init__(self, path: str) -> None:
        self.jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self.computing = threading.Event()
        super().__init__(path, _Handler)

    def serve_in_background(self) -> None:
        """Answer connections from now on."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; everything else is a bug and goes to the log."""
        import sys

        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer `/health` and `/slots` at once, whatever is being computed."""
        if self.path == "/health":
            self._send_document(200, {"status": "ok"})
        elif self.path == "/slots":
            self._send_document(200, [{"id": 0, "is_processing": self.server.computing.is_set()}])
        else:
            self._send_refusal(_unknown(self.path))

    def do_POST(self) -> None:
        """Queue the request, and pass on the answers."""
        route = next((route for route in _ROUTES if route == self.path), None)
        try:
            body = self._read_body()
            if route is None:
                raise _unknown(self.path)
        except LocalaiError as error:
            self._send_refusal(error)
            return
        job = Job(route, body)
        self.server.jobs.put(job)
        try:
            self._answer(job)
        finally:
            job.cancelled.set()

    def log_message(self, *_: Any) -> None:
        """Log no request: the log is for failures."""

    def address_string(self) -> str:
        """A client on a Unix socket has no address."""
        return "local"

    def _read_body(self) -> Mapping[str, Any]:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LARGEST_BODY_BYTES:
            raise InvalidInput("the request is too large")
        try:
            body = json.loads(self.rfile.read(length))
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"not JSON: {error}") from error
        if not isinstance(body, dict):
            raise InvalidInput("the body must be an object")
        return body

    def _answer(self, job: Job) -> None:
        first = self._next(job)
        if isinstance(first, LocalaiError):
            self._send_refusal(first)
        elif first is None:
            self.close_connection = True
        elif job.route == _STREAMED:
            self._send_stream(job, first)
        else:
            self._send_document(200, first)

    def _next(self, job: Job) -> Reply:
        """The next answer of `job`. Raises ConnectionError if the client goes away meanwhile."""
        while True:
            with contextlib.suppress(queue.Empty):
                return job.next_answer(_LOOK_EVERY_S)
            if _has_gone(self.connection):
                raise ConnectionResetError("the client went away")

    def _send_document(self, status: int, document: Any) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_refusal(self, error: LocalaiError) -> None:
        self._send_document(status_and_kind(error)[0], {"error": error_object(error)})

    def _send_stream(self, job: Job, first: Mapping[str, Any]) -> None:
        # The end of the stream is the end of the connection: a stream that breaks lacks its [DONE].
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        answer: Reply = first
        while answer is not None:
            if isinstance(answer, LocalaiError):
                self._send_event({"error": error_object(answer)})
                return
            self._send_event(answer)
            answer = self._next(job)
        self.wfile.write(b"data: [DONE]\n\n")

    def _send_event(self, document: Mapping[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(document).encode() + b"\n\n")


def _unknown(path: str) -> NotFound:
    return NotFound(f"there is no {path} here")


def _has_gone(connection: socket.socket) -> bool:
    if not select.select([connection], [], [], 0)[0]:
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except OSError:
        return True

"""A server farm in small: Chat Completions on loopback that counts how many ask at once.

A question that ends with 0 is first told 429 with `Retry-After: 0`, as a farm does that is busy.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

_COMPUTING_S = 0.05
_LONGEST_GATHERING_S = 60


class Farm(ThreadingHTTPServer):
    """Answers with the question's own text, once `gathers` have asked at once."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.changed = threading.Condition()
        self.gathers = 0
        self.at_once = 0
        self.most_at_once = 0
        self.refused: set[str] = set()
        self.answered: list[str] = []

    @property
    def url(self) -> str:
        """As an endpoint wants it."""
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Farm

    def do_GET(self) -> None:
        self._send(200, {"data": [{"id": "smollm2"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = body["messages"][-1]["content"]
        farm = self.server
        with farm.changed:
            busy = text.endswith("0") and text not in farm.refused
            if busy:
                farm.refused.add(text)
            farm.at_once += 1
            farm.most_at_once = max(farm.most_at_once, farm.at_once)
            farm.changed.notify_all()
            farm.changed.wait_for(lambda: farm.most_at_once >= farm.gathers, _LONGEST_GATHERING_S)
        time.sleep(_COMPUTING_S)
        # Before the answer: whoever has it may ask again before this thread goes on.
        with farm.changed:
            farm.at_once -= 1
        if busy:
            self._send(429, {"error": {"message": "busy"}}, {"Retry-After": "0"})
            return
        farm.answered.append(text)
        self._stream(text)

    def _stream(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        choice = {"delta": {"content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1}
        chunk = json.dumps({"choices": [choice], "usage": usage})
        self.wfile.write(f"data: {chunk}\n\ndata: [DONE]\n\n".encode())

    def _send(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def farm() -> Iterator[Farm]:
    """A running farm."""
    server = Farm()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()

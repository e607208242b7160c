"""What comes back over an HTTP connection: refusals, lines, server-sent events.

The same for every connection: a worker's Unix socket, loopback, TLS, a proxy. What the documents
mean is the business of `wires`.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any

_PIECE_BYTES = 1 << 16


class ServerRefused(Exception):
    """An answer with an error status, or an error in a stream that had begun with 200.

    `document` is its JSON, or its text. The names of `headers` are in lower case.
    """

    def __init__(
        self, status: int, document: Any, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"HTTP {status}: {document}")
        self.status = status
        self.document = document
        self.headers = headers or {}

    @property
    def error(self) -> Mapping[str, Any]:
        """The `error` object of the document, or one with its text as the `message`."""
        document = self.document
        error = document.get("error", document) if isinstance(document, dict) else document
        return error if isinstance(error, dict) else {"message": str(error)}


def refused(response: http.client.HTTPResponse) -> ServerRefused:
    """The refusal that `response` is; its body is read."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return ServerRefused(response.status, _document_or_text(response.read()), headers)


def _document_or_text(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")[:2000]


def lines_of(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The lines of a streaming body as they arrive, without their ends.

    http.client's own iteration looks at every chunk several times: that alone took 90 µs of
    processor a token, where the whole way from socket to screen should stay below 100.
    """
    rest = b""
    while piece := response.read1(_PIECE_BYTES):
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    if rest:
        yield rest


def server_sent_events(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """The JSON payloads of an event stream, up to `[DONE]` or the end.

    Raises ServerRefused for an error event, OSError or HTTPException where the stream breaks,
    ValueError where a payload is not JSON.
    """
    event: bytes | None = None
    for line in lines_of(response):
        if line.startswith(b"event:"):
            event = line[6:].strip()
        elif line.startswith((b"data:", b"error:")):
            kind, _, data = line.partition(b":")
            data = data.strip()
            if data == b"[DONE]":
                return
            payload = json.loads(data)
            if kind == b"error" or event == b"error" or payload.get("error"):
                raise ServerRefused(200, payload)
            yield payload
            event = None

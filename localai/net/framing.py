"""What comes back over an HTTP connection: refusals, lines, server-sent events.

The same for every connection: a worker's Unix socket, loopback, TLS, a proxy. What the documents
mean is the business of `wires`.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_PIECE_BYTES = 1 << 16
_LONGEST_REFUSAL_BYTES = 1 << 20
# The longest that comes for a reason is an answer's last event, which repeats all of it.
_LONGEST_BODY_BYTES = 64 << 20


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
    """The refusal that `response` is; of its body the first megabyte is read."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    content = response.read(_LONGEST_REFUSAL_BYTES)
    return ServerRefused(response.status, _document_or_text(content), headers)


def _document_or_text(content: bytes) -> Any:
    try:
        return json_of(content)
    except ValueError:
        return content.decode(errors="replace")[:2000]


def whole_body(response: http.client.HTTPResponse) -> bytes:
    """All of a body; HTTPException where it is endless."""
    content = response.read(_LONGEST_BODY_BYTES + 1)
    if len(content) > _LONGEST_BODY_BYTES:
        raise http.client.HTTPException(f"the answer is longer than {_LONGEST_BODY_BYTES:,} bytes")
    return content


def json_of(content: bytes) -> Any:
    """What a server's JSON says. Raises ValueError where it is none, or is nested so deeply that
    Python refuses to read it."""
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


def lines_of(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The lines of a streaming body as they arrive, without their ends; HTTPException for one that
    does not end.

    http.client's own iteration looks at every chunk several times: that alone took 90 µs of
    processor a token, where the whole way from socket to screen should stay below 100. The pieces
    of a long line are put together once: a line of 20 MB took 22 seconds by adding to it.
    """
    begun: list[bytes] = []
    length = 0
    while piece := response.read1(_PIECE_BYTES):
        first, *others = piece.split(b"\n")
        begun.append(first)
        length += len(first)
        if length > _LONGEST_BODY_BYTES:
            raise http.client.HTTPException(
                f"a line of the answer is longer than {_LONGEST_BODY_BYTES:,} bytes"
            )
        if others:
            yield b"".join(begun)
            *whole, rest = others
            yield from whole
            begun, length = [rest], len(rest)
    if length:
        yield b"".join(begun)


def server_sent_events(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """The JSON payloads of an event stream, up to `[DONE]` or the end.

    Raises ServerRefused for an error event and for an error that came with status 200 instead of a
    stream, OSError or HTTPException where the stream breaks or something else came in its place,
    ValueError where a payload is not JSON.
    """
    event: bytes | None = None
    has_come = False
    other = bytearray()
    for line in lines_of(response):
        if line.startswith(b"event:"):
            event = line[6:].strip()
        elif line.startswith((b"data:", b"error:")):
            has_come = True
            kind, _, data = line.partition(b":")
            data = data.strip()
            if data == b"[DONE]":
                return
            payload = json_of(data)
            if not isinstance(payload, dict):
                raise ValueError("an event is no JSON object")
            if kind == b"error" or event == b"error" or payload.get("error"):
                raise ServerRefused(200, payload)
            yield payload
            event = None
        elif not has_come and len(other) < _LONGEST_REFUSAL_BYTES:
            other += line[:_LONGEST_REFUSAL_BYTES] + b"\n"
    if not has_come and other.strip():
        raise unexpected(bytes(other))


def unexpected(content: bytes) -> ServerRefused | http.client.HTTPException:
    """What came with status 200 in place of an answer: a server's error, or the page of a proxy or
    a log-in, with the beginning of its words."""
    document = _document_or_text(content)
    if isinstance(document, dict) and document.get("error"):
        return ServerRefused(200, document)
    return http.client.HTTPException(f"it answered something else: {words_of(content)}")


def words_of(content: bytes) -> str:
    """The beginning of what a page or a text says, on one line."""
    text = content[:20_000].decode(errors="replace")
    text = re.sub(r"(?is)<(script|style)\b.*?</\1>|<[^>]*>", " ", text)
    return " ".join(text.split())[:200]

"""The reading of HTTP answers: refusals, whole bodies, lines, server-sent events.

It is the same for every connection: a worker's Unix socket, loopback, TLS, a proxy. `wires`
interprets the documents.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any

from localai import arrivals

_PIECE_BYTES = 1 << 16
_LONGEST_REFUSAL_BYTES = 1 << 20
# The longest legitimate line is an answer's last event, which repeats all of it.
_LONGEST_BODY_BYTES = 64 << 20
_MOST_DATA_LINES = 1000


class ServerRefused(Exception):
    """A server's refusal: an answer with an error status, or an error in a stream that began with
    status 200.

    `document` is the refusal's JSON, or its text. The names in `headers` are in lower case.
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
        """The document's `error` object, or an object whose `message` is the document's text."""
        document = self.document
        error = document.get("error", document) if isinstance(document, dict) else document
        return error if isinstance(error, dict) else {"message": str(error)}


def refused(response: http.client.HTTPResponse) -> ServerRefused:
    """The refusal in `response`; the first megabyte of its body is read."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    content = response.read(_LONGEST_REFUSAL_BYTES)
    return ServerRefused(response.status, _document_or_text(content), headers)


def _document_or_text(content: bytes) -> Any:
    try:
        return json_of(content)
    except ValueError:
        return content.decode(errors="replace")[:2000]


def whole_body(response: http.client.HTTPResponse) -> bytes:
    """The whole body of `response`. Raises HTTPException if it is longer than 64 MiB."""
    content = response.read(_LONGEST_BODY_BYTES + 1)
    if len(content) > _LONGEST_BODY_BYTES:
        raise http.client.HTTPException(f"the answer is longer than {_LONGEST_BODY_BYTES:,} bytes")
    return content


def json_of(content: bytes | str) -> Any:
    """The value of the JSON `content`. Raises ValueError if it is invalid, or nested so deeply that
    Python refuses to read it."""
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


def lines_of(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The lines of a streaming body as they arrive, without their line feeds. Raises HTTPException
    for a line of more than 64 MiB.

    http.client's own iteration looks at every chunk several times. That took 90 µs of CPU time a
    token, and the whole way from socket to screen should stay below 100 µs. The pieces of a long
    line are joined once: a line of 20 MB took 22 s when they were added one by one.
    """
    begun: list[bytes] = []
    length = 0
    for piece in arrivals.pieces(lambda: response.read1(_PIECE_BYTES)):
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


def server_sent_events(
    response: http.client.HTTPResponse,
) -> Generator[dict[str, Any], None, bool]:
    """Yield the JSON payloads of an event stream, up to `[DONE]` or the stream's end. Return
    whether `[DONE]` came. An answer in plain JSON, from a server that does not stream, is the only
    payload.

    Raises ServerRefused for an error event, and for an error with status 200 in place of a stream.
    Raises OSError or HTTPException if the stream breaks or is no answer. Raises ValueError if a
    payload is no JSON object.
    """
    return (yield from payloads_of(lines_of(response)))


def payloads_of(lines: Iterable[bytes]) -> Generator[dict[str, Any], None, bool]:
    """`server_sent_events`, from the lines of the stream."""
    event = b""
    data: list[bytes] = []
    has_come = False
    other = bytearray()
    for line in _without_carriage_returns(lines):
        name, _, value = line.partition(b":")
        if not line:
            if data:
                raise ValueError(f"an event is no JSON: {words_of(_joined(data))}")
            event = b""
        elif name == b"event":
            event = value.strip()
        elif name in (b"data", b"error"):
            has_come = True
            data.append(value.strip())
            whole = _joined(data)
            if len(data) > _MOST_DATA_LINES or len(whole) > _LONGEST_BODY_BYTES:
                raise ValueError(f"an event does not end: {words_of(whole)}")
            if whole.strip(b'"') == b"[DONE]":
                return True
            payload = _payload_of(whole, is_error=name == b"error" or event == b"error")
            # A payload may have several lines; it is complete once it parses.
            if payload is not _NOT_WHOLE:
                data, event = [], b""
                if payload is not None:
                    yield payload
        elif not has_come and len(other) < _LONGEST_BODY_BYTES:
            other += line + b"\n"
    if data:
        raise ValueError(f"an event is no JSON: {words_of(_joined(data))}")
    if not has_come and other.strip():
        yield _answer_instead(bytes(other))
    return False


_NOT_WHOLE: dict[str, Any] = {}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _without_carriage_returns(lines: Iterable[bytes]) -> Iterator[bytes]:
    """`lines` without carriage returns and without a byte-order mark.

    A line of an event stream may end with a line feed, a carriage return or both. JSON has no bare
    carriage return, so every one of them is an end.
    """
    is_first = True
    for line in lines:
        if is_first:
            line, is_first = line.removeprefix(_BYTE_ORDER_MARK), False
        line = line.removesuffix(b"\r")
        if b"\r" in line:
            yield from line.split(b"\r")
        else:
            yield line


def _joined(data: list[bytes]) -> bytes:
    return data[0] if len(data) == 1 else b"\n".join(data)


def _payload_of(data: bytes, *, is_error: bool) -> dict[str, Any] | None:
    """The payload of an event: None if the event has none, `_NOT_WHOLE` if it does not parse yet.
    Raises ServerRefused for an error, ValueError for JSON that is no object."""
    if not data or data == b"null":
        return None
    try:
        payload = json_of(data.decode(errors="replace"))
    except ValueError:
        if is_error:
            raise ServerRefused(200, words_of(data)) from None
        return _NOT_WHOLE
    if is_error or is_error_document(payload):
        raise ServerRefused(200, payload)
    if not isinstance(payload, dict):
        raise ValueError(f"an event is no JSON object: {words_of(data)}")
    return payload


def is_error_document(document: Any) -> bool:
    """Whether `document` is an error, in OpenAI's form or in vLLM's old one."""
    if not isinstance(document, dict):
        return False
    return bool(document.get("error")) or document.get("object") == "error"


def _answer_instead(content: bytes) -> dict[str, Any]:
    """The answer of a server that does not stream. Raises what `unexpected` returns if `content`
    is no answer."""
    document = _document_or_text(content)
    if isinstance(document, dict) and document.get("choices"):
        return document
    raise unexpected(content)


def unexpected(content: bytes) -> ServerRefused | http.client.HTTPException:
    """The error for a body with status 200 that is no answer. It is ServerRefused for a server's
    error, else HTTPException with the first words of the page (a proxy's, a log-in's)."""
    document = _document_or_text(content)
    if is_error_document(document):
        return ServerRefused(200, document)
    return http.client.HTTPException(f"it answered something else: {words_of(content)}")


def words_of(content: bytes) -> str:
    """The first words of a page or a text, on one line."""
    text = content[:20_000].decode(errors="replace")
    text = re.sub(r"(?is)<(script|style)\b.*?</\1>|<[^>]*>", " ", text)
    return " ".join(text.split())[:200]

"""Bounds for the responses that SDKs read: no SDK limits a line, an event or a body, or the time
that a head takes which comes letter by letter.

The SDKs also assemble an event piece by piece, one of them in a time that grows with the square of
the event's length. They are therefore given whole events. What is here works on the transports and
the response bodies of `httpx` and `httpx2`, the libraries under the SDKs.
"""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from localai.patterns import lazy_pattern

# The longest legitimate part is an answer's last event, which repeats the whole answer.
_LONGEST_BYTES = 16 << 20
_EVENT_ENDS = (b"\n\n", b"\r\r", b"\r\n\r\n")
_LINE_ENDS = (b"\n",)
_EVENT = lazy_pattern(rb".+?(?:(?:\r\n|\n|\r(?!\n)){2}|\Z)", re.DOTALL)
_DATA = lazy_pattern(rb"(?:\A|[\r\n])(?:\xef\xbb\xbf)?data")


class TimeLimit:
    """A response, or a part of one, ends within `seconds` of its first byte."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._began_at: float | None = None

    def anew(self) -> None:
        """The next byte is the first of another response or part."""
        self._began_at = None

    def heard(self, _size: int) -> None:
        """Bytes came. Raises HTTPException once the time is over."""
        now = time.monotonic()
        if self._began_at is None:
            self._began_at = now
        elif now - self._began_at > self._seconds:
            raise http.client.HTTPException(f"its answer has not ended in {self._seconds:.0f} s")


def tell_of_bytes(transport: Any, listener: Callable[[], Callable[[int], None]]) -> None:
    """Have each connection that `transport` opens tell of the bytes that arrive, heads included.

    `transport` is an HTTPTransport of httpx or httpx2. `listener` is called when a connection is
    opened, in the thread of its request; what it returns is called with the size of each piece,
    and ends the reading by raising. The libraries limit only the pause between two bytes: a head,
    or the size of a chunk, may come letter by letter, and 1xx responses for ever.
    """
    pool = transport._pool
    pool._network_backend = _TellingBackend(pool._network_backend, listener)


class _TellingBackend:
    def __init__(self, backend: Any, listener: Callable[[], Callable[[int], None]]) -> None:
        self._backend = backend
        self._listener = listener

    def connect_tcp(self, *arguments: Any, **options: Any) -> _TellingStream:
        return _TellingStream(self._backend.connect_tcp(*arguments, **options), self._listener())

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _TellingStream:
    def __init__(self, stream: Any, heard: Callable[[int], None]) -> None:
        self._stream = stream
        self._heard = heard

    def read(self, most: int, timeout: float | None = None) -> bytes:
        piece: bytes = self._stream.read(most, timeout)
        self._heard(len(piece))
        return piece

    def write(self, content: bytes, timeout: float | None = None) -> None:
        self._stream.write(content, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, *arguments: Any, **options: Any) -> _TellingStream:
        return _TellingStream(self._stream.start_tls(*arguments, **options), self._heard)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def read_through(
    library: Any, response: Any, through: Callable[[Iterable[bytes]], Iterator[bytes]]
) -> None:
    """Replace the body of `response` by `through` of it. `library` is the module that `response`
    comes from, httpx or httpx2."""
    source = response.stream

    class Through(library.SyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            yield from through(source)

        def close(self) -> None:
            source.close()

    response.stream = Through()


def whole_events(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces of an event stream, joined so that each piece ends where an event ends, without
    empty lines between events and events without data: by the standard they are nothing, and one
    of the SDKs reads them as JSON. Raises HTTPException for an event of more than 16 MiB."""
    for piece in _joined(pieces, _EVENT_ENDS, "an event"):
        events = (each.lstrip(b"\r\n") for each in _EVENT.findall(piece))
        if kept := b"".join(each for each in events if _DATA.search(each)):
            yield kept


def whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces of JSON Lines, joined so that each piece ends where a line ends. Raises
    HTTPException for a line of more than 16 MiB."""
    return _joined(pieces, _LINE_ENDS, "a line")


def whole_body(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces of a body that is no stream, unchanged. Raises HTTPException after 16 MiB."""
    length = 0
    for piece in pieces:
        length += len(piece)
        _require_end(length, "the body")
        yield piece


def beginning(pieces: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The first `most` bytes of `pieces`; the rest is not read."""
    left = most
    for piece in pieces:
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return


def _joined(pieces: Iterable[bytes], ends: tuple[bytes, ...], what: str) -> Iterator[bytes]:
    begun: list[bytes] = []
    length = 0
    # An end may lie across two pieces.
    last = b""
    for piece in pieces:
        seen = last + piece
        end = max(_after(seen, each) for each in ends) - len(last)
        last = seen[-max(map(len, ends)) + 1 :] if len(ends) > 1 else b""
        if end > 0:
            yield b"".join([*begun, piece[:end]])
            begun, length, piece = [], 0, piece[end:]
        begun.append(piece)
        length += len(piece)
        _require_end(length, what)
    if length:
        yield b"".join(begun)


def _after(text: bytes, end: bytes) -> int:
    at = text.rfind(end)
    return 0 if at < 0 else at + len(end)


def _require_end(length: int, what: str) -> None:
    if length > _LONGEST_BYTES:
        raise http.client.HTTPException(
            f"{what} of the answer is longer than {_LONGEST_BYTES:,} bytes"
        )

"""The facts of a remote file, without fetching all of it: its size, validator and first bytes."""

from __future__ import annotations

import re
from typing import Final

from localai.errors import InvalidInput
from localai.fetch.connection import HttpConnection, HttpResponse

_FIRST_BYTES: Final = 1 << 20
# Sixteen digits are ten petabytes: no file has more, and no index could point into it.
_LENGTH: Final = re.compile(r"[0-9]{1,16}")
_RANGE: Final = re.compile(rf"bytes ({_LENGTH.pattern})-({_LENGTH.pattern})/({_LENGTH.pattern})")


class RemotePrefix:
    """The first bytes of the file at `url`; more are fetched as more are read.

    The constructor asks the server once and sets `size_bytes`, `validator` (None if the server
    names none) and `ranges` (whether it sends parts of the file). Raises what `HttpConnection.get`
    and `check_status` raise, and InvalidInput if the server does not state the file's size.
    """

    def __init__(self, connection: HttpConnection, url: str, name: str) -> None:
        self._connection = connection
        self._name = name
        self._held = bytearray()
        self._whole: HttpResponse | None = None
        response = connection.get(url, {"Range": f"bytes=0-{_FIRST_BYTES - 1}"})
        try:
            response.check_status(name)
            # Where the server sends us on to is asked for the rest, without another detour: on the
            # hub that is half of the requests, and one connection instead of two by turns.
            self._url = response.url
            self.validator = validator_of(response)
            self.ranges = response.status == 206
            self.size_bytes = self._size(response)
        except BaseException:
            response.close()
            raise
        if self.ranges:
            self._take(response, min(_FIRST_BYTES, self.size_bytes))
            response.close()
        else:
            self._whole = response

    @property
    def held(self) -> bytes:
        """The bytes that were read so far."""
        return bytes(self._held)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the file, fewer at its end. Fetches them and all before them."""
        wanted = min(offset + length, self.size_bytes)
        if wanted > len(self._held):
            if self._whole is not None:
                self._take(self._whole, wanted)
            else:
                # At least twice as much as before, so that a long header takes few requests.
                self._request(min(max(wanted, 2 * len(self._held)), self.size_bytes))
        return bytes(memoryview(self._held)[offset : offset + length])

    def close(self) -> None:
        """End the response of a server that sends the whole file."""
        if self._whole is not None:
            self._whole.close()
            self._whole = None

    def _request(self, end: int) -> None:
        start = len(self._held)
        response = self._connection.get(self._url, {"Range": f"bytes={start}-{end - 1}"})
        try:
            response.check_status(self._name)
            if content_range(response) != (start, end, self.size_bytes):
                raise InvalidInput(f"{response.host} sends other parts of {self._name} than asked")
            self._take(response, end)
        finally:
            response.close()

    def _take(self, response: HttpResponse, end: int) -> None:
        while len(self._held) < end:
            piece = response.read(min(256 << 10, end - len(self._held)))
            if not piece:
                raise InvalidInput(f"{response.host} sends less of {self._name} than it said")
            self._held += piece

    def _size(self, response: HttpResponse) -> int:
        if self.ranges:
            found = content_range(response)
            if found is not None and found[0] == 0:
                return found[2]
            raise InvalidInput(f"{response.host} does not say which part of {self._name} it sends")
        length = response.headers.get("content-length", "")
        if _LENGTH.fullmatch(length) is None:
            raise InvalidInput(f"{response.host} does not say how large {self._name} is")
        return int(length)


def content_range(response: HttpResponse) -> tuple[int, int, int] | None:
    """Start, end (exclusive) and total of a partial response; None if it does not state them."""
    match = _RANGE.fullmatch(response.headers.get("content-range", "").strip())
    return None if match is None else (int(match[1]), int(match[2]) + 1, int(match[3]))


def validator_of(response: HttpResponse) -> str | None:
    """The value that distinguishes this version of the file from others: a strong ETag, else its
    date."""
    etag = response.headers.get("etag")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("last-modified")

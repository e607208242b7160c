"""One attempt at a file: connections that fetch its chunks, a thread that hashes what has arrived,
and one that puts it on the disk.

The SHA-256 is computed while the rest is arriving, over the bytes that have arrived without a gap,
so little is left to do at the end. Memory is a few buffers, whatever the file's size. A broken
connection is made anew as long as bytes arrive now and then.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from functools import partial
from queue import SimpleQueue
from typing import Final

from localai.errors import ConnectionLost, InvalidInput
from localai.fetch.allowed_hosts import AllowedHosts
from localai.fetch.connection import HttpConnection, HttpResponse
from localai.fetch.partial import Partial
from localai.fetch.plan import PullEvent
from localai.fetch.remote import content_range, validator_of
from localai.net.retry import growing_pause_s
from localai.privacy import guard
from localai.progress import Stage, WorkNote, WorkProgress

CONNECTIONS: Final = 4

_READ_BYTES: Final = 512 << 10
_HASH_BYTES: Final = 1 << 20
_POLL_S: Final = 0.1
_SETTLE_S: Final = 0.25
_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 8.0
# The address behind a redirect is signed and expires; after that it answers with one of these.
_EXPIRED: Final = frozenset({400, 401, 403, 404, 410})


class FileChanged(Exception):
    """The server has another file at this address than when the transfer began."""


class NoRanges(Exception):
    """The server sends the whole file, although a part was asked for."""


class Transfer:
    """Fetches the missing bytes of `unfinished` from `hosts`. Used once."""

    def __init__(self, unfinished: Partial, hosts: AllowedHosts, patience_s: float) -> None:
        self._partial = unfinished
        self._file = unfinished.file
        self._hosts = hosts
        self._patience_s = patience_s
        self._chunks = deque(unfinished.missing())
        self._location: str | None = None
        self._notes: SimpleQueue[str] = SimpleQueue()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._last_arrival = time.monotonic()
        self._outage = False
        self._digest = hashlib.sha256()
        self._hashed_bytes = 0

    def run(self) -> Generator[PullEvent, None, str]:
        """Fetch what is missing. Returns the SHA-256 of the whole file, in hex.

        Raises what the first failing connection raised, including FileChanged and NoRanges.
        """
        announce, self._hosts.announce = self._hosts.announce, self._notes.put
        fetch = self._fetch_chunks if self._file.ranges else self._fetch_whole
        count = min(CONNECTIONS if self._file.ranges else 1, len(self._chunks))
        connections = [HttpConnection(self._hosts) for _ in range(count)]
        workers = [
            _started(self._guarded, partial(fetch, connection)) for connection in connections
        ]
        hasher = _started(self._guarded, self._hash)
        settler = _started(self._guarded, self._settle)
        try:
            for worker in workers:
                while worker.is_alive():
                    yield from self._progress("downloading", self._partial.done_bytes)
                    worker.join(_POLL_S)
            while self._failure is None and hasher.is_alive():
                yield from self._progress("verifying", self._hashed_bytes)
                hasher.join(_POLL_S)
            yield from self._progress("verifying", self._hashed_bytes)
            if self._failure is not None:
                raise self._failure
            return self._digest.hexdigest()
        finally:
            self._stop.set()
            for connection in connections:
                connection.end()
            for worker, connection in zip(workers, connections, strict=True):
                while worker.is_alive() and not connection.only_connects:
                    worker.join(_POLL_S)
            for thread in (hasher, settler):
                thread.join()
            self._hosts.announce = announce

    def _progress(self, stage: Stage, done_bytes: int) -> Iterator[PullEvent]:
        while not self._notes.empty():
            yield WorkNote(self._notes.get())
        yield WorkProgress(stage, done_bytes, self._file.size_bytes)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Run a thread's `work`; its failure is kept, and ends the other threads."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again where the user is
            with self._lock:
                if not self._stop.is_set():
                    self._failure = error
                    self._stop.set()

    def _fetch_chunks(self, connection: HttpConnection) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                chunk = self._chunks.popleft()
            except IndexError:
                return
            before = self._partial.done_bytes
            try:
                self._fetch_chunk(connection, chunk)
            except ConnectionLost as error:
                self._chunks.appendleft(chunk)
                failures = 0 if self._partial.done_bytes > before else failures + 1
                connection.close()
                self._pause(error, failures)

    def _fetch_chunk(self, connection: HttpConnection, chunk: int) -> None:
        gap = self._partial.gap(chunk)
        if gap is None:
            return
        response = self._ask(connection, *gap)
        try:
            position, end = gap
            while position < end and not self._stop.is_set():
                piece = response.read(min(_READ_BYTES, end - position))
                if not piece:
                    raise ConnectionLost(f"{response.host} sends less than it said")
                self._partial.append(chunk, piece)
                position += len(piece)
                self._arrived()
        finally:
            response.close()

    def _ask(self, connection: HttpConnection, start: int, end: int) -> HttpResponse:
        """The response that has exactly these bytes of our file, its body unread."""
        headers = {"Range": f"bytes={start}-{end - 1}"}
        if self._file.sha256 is None and self._file.validator is not None:
            headers["If-Range"] = self._file.validator
        location = self._location
        response = connection.get(location or self._file.url, headers)
        if location is not None and response.status in _EXPIRED:
            response.close()
            response = connection.get(self._file.url, headers)
        try:
            response.check_status(self._file.name)
            self._check_part(response, start, end)
        except BaseException:
            response.close()
            raise
        # The next chunk is requested at the same address, without another redirect.
        self._location = response.url if response.url != self._file.url else None
        return response

    def _check_part(self, response: HttpResponse, start: int, end: int) -> None:
        vouched = self._file.sha256 is not None
        if response.status != 206:
            raise NoRanges if vouched else FileChanged
        if not vouched and validator_of(response) not in (None, self._file.validator):
            raise FileChanged
        found = content_range(response)
        if found is not None and found[2] != self._file.size_bytes:
            if not vouched:
                raise FileChanged
            raise InvalidInput(
                f"{response.host} says that {self._file.name} has {found[2]:,} bytes "
                f"instead of {self._file.size_bytes:,}"
            )
        if found is None or found[:2] != (start, end):
            raise InvalidInput(f"{response.host} sends other parts of {self._file.name} than asked")

    def _fetch_whole(self, connection: HttpConnection) -> None:
        """Fetch the whole file over one connection, from its start after each failure."""
        failures = 0
        while not self._stop.is_set():
            self._partial.restart()
            try:
                self._fetch_stream(connection)
                return
            except ConnectionLost as error:
                failures += 1
                connection.close()
                self._pause(error, failures)

    def _fetch_stream(self, connection: HttpConnection) -> None:
        response = connection.get(self._file.url)
        try:
            response.check_status(self._file.name)
            for chunk in self._partial.missing():
                while (gap := self._partial.gap(chunk)) and not self._stop.is_set():
                    piece = response.read(min(_READ_BYTES, gap[1] - gap[0]))
                    if not piece:
                        raise InvalidInput(
                            f"{response.host} sends less of {self._file.name} than it said"
                        )
                    self._partial.append(chunk, piece)
                    self._arrived()
            if not self._stop.is_set() and response.read(1):
                raise InvalidInput(
                    f"{response.host} sends more of {self._file.name} than the "
                    f"{self._file.size_bytes:,} bytes that it should have"
                )
        finally:
            response.close()

    def _arrived(self) -> None:
        self._last_arrival = time.monotonic()
        self._outage = False

    def _pause(self, error: ConnectionLost, failures: int) -> None:
        """Wait before the next attempt. Raises `error` if nothing has arrived for too long."""
        if self._stop.is_set():
            return
        silent_s = time.monotonic() - self._last_arrival
        grown_s = growing_pause_s(failures, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S)
        pause_s = max(grown_s, error.retry_after_s or 0.0)
        if silent_s + pause_s > self._patience_s:
            raise error
        with self._lock:
            if not self._outage and failures:
                self._outage = True
                self._notes.put(f"{error.message}; trying again")
        self._stop.wait(pause_s)

    def _hash(self) -> None:
        while self._hashed_bytes < self._file.size_bytes:
            ready = self._partial.front - self._hashed_bytes
            if ready > 0:
                piece = self._partial.read(self._hashed_bytes, min(_HASH_BYTES, ready))
                self._digest.update(piece)
                self._hashed_bytes += len(piece)
            elif self._stop.wait(0.01):
                return

    def _settle(self) -> None:
        """Put on the disk what arrives, so that the end need not wait for all of it.

        Measured with 1 GB from loopback: 680 MB/s until all is on the disk, against 350 without.
        """
        while not self._stop.wait(_SETTLE_S):
            self._partial.settle()


def _started(target: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=guard.in_scope(target), args=arguments, daemon=True)
    thread.start()
    return thread

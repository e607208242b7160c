"""JSON over HTTP, to a server of the user's own or to a worker.

A connection serves one request, so closing it stops exactly that request. The providers interpret
the documents.
"""

from __future__ import annotations

import http.client
import selectors
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from localai.errors import Remedy, Unreachable
from localai.net.connection import accepted, connect, ends_within, send, why_lost
from localai.net.framing import json_of, lines_of, whole_body, words_of
from localai.net.target import Target

# How long to wait for the counts that may follow an answer.
_AFTER_THE_ANSWER_S = 5.0
# A list or a fact is some kilobytes; a server may send them byte by byte for ever.
_LONGEST_S = 60.0


class JsonServer:
    """A server that speaks JSON, at an address or at the Unix socket `target` (a worker).

    Messages call the server `who`. `remedy` tells the user what to do if nobody listens there.
    `permit` opens the guard's grant that the connection needs. Connections are tunnelled through
    `proxy`, if there is one.
    """

    def __init__(
        self,
        who: str,
        target: Target | Path,
        remedy: Remedy,
        headers: Mapping[str, str] | None = None,
        permit: Callable[[], AbstractContextManager[None]] = nullcontext,
        proxy: Target | None = None,
    ) -> None:
        self._target = target
        self._who = who if isinstance(target, Path) else f"{who} at {target.address}"
        self._prefix = "" if isinstance(target, Path) else target.path
        self._remedy = remedy
        self._headers = headers
        self._permit = permit
        self._proxy = proxy

    def call(self, method: str, path: str, body: Any = None, timeout_s: float = 30.0) -> Any:
        """The JSON answer to a request, whose body is sent as JSON.

        `timeout_s` is the longest silence in seconds. Raises ServerRefused and Unreachable. An
        answer that has begun and is not complete a minute later is Unreachable as well.
        """
        with self.send(method, path, body, timeout_s, ends_within(timeout_s + _LONGEST_S)) as sent:
            return sent.document()

    @contextmanager
    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        timeout_s: float | None = None,
        heard: Callable[[int], None] | None = None,
    ) -> Iterator[SentRequest]:
        """Send a request, and close its connection at the end of the block, whatever was read.

        `timeout_s` is the longest silence in seconds; None waits as long as the server lives.
        `heard` is called as `connect` says. OSError and HTTPException inside the block become
        Unreachable.
        """
        try:
            with self._permit():
                connection = connect(self._target, timeout_s, proxy=self._proxy, heard=heard)
            sent = SentRequest(connection)
            try:
                send(connection, method, self._prefix + path, body, self._headers)
                yield sent
            finally:
                sent.close()
        except (OSError, http.client.HTTPException) as error:
            lost = why_lost(self._who, error, timeout_s, self._proxy)
            raise Unreachable(lost.text, **(lost.remedy or self._remedy_for(error))) from error

    def _remedy_for(self, error: Exception) -> Remedy:
        """The user's remedy for `error`. Starting the server helps if nobody listens; the log of
        a server that broke off says more."""
        if isinstance(error, ConnectionRefusedError) or isinstance(self._target, Path):
            return self._remedy
        remedy: Remedy = {"hint": "it may be busy or have ended: its own log says more"}
        if "check" in self._remedy:
            remedy["check"] = self._remedy["check"]
        return remedy


def call(socket: Path, method: str, path: str, body: Any = None, timeout_s: float = 60.0) -> Any:
    """The JSON answer of the worker at `socket`. Raises ServerRefused and Unreachable."""
    return JsonServer("the engine", socket, {}).call(method, path, body, timeout_s)


class SentRequest:
    """A request that was sent and may not have been answered yet."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        self._socket = connection.sock
        self._response: http.client.HTTPResponse | None = None

    def answers_within(self, seconds: float) -> bool:
        """Whether the answer begins within `seconds`."""
        # Not select.select: it fails in a process with more than 1,024 open files.
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection.sock, selectors.EVENT_READ)
            return bool(selector.select(seconds))

    def response(self) -> http.client.HTTPResponse:
        """The answer, once its head is here. Raises ServerRefused as `accepted` does."""
        if self._response is None:
            self._response = accepted(self._connection)
        return self._response

    def expect_the_end(self) -> None:
        """Wait only 5 s for each further byte. The answer is complete, and some servers do not
        close the connection."""
        self._socket.settimeout(_AFTER_THE_ANSWER_S)

    def close(self) -> None:
        """Close the connection, which tells the server to stop."""
        if self._response is not None:
            self._response.close()
        self._connection.close()

    def document(self) -> Any:
        """The whole answer as JSON. Raises HTTPException if it is not JSON."""
        content = whole_body(self.response())
        try:
            return json_of(content)
        except ValueError as error:
            raise http.client.HTTPException(
                f"the answer is not JSON: {words_of(content)}"
            ) from error

    def json_lines(self) -> Iterator[dict[str, Any]]:
        """The JSON objects of an answer in JSON Lines. Raises HTTPException for a line that is no
        JSON object."""
        for line in lines_of(self.response()):
            if not line.strip():
                continue
            try:
                document = json_of(line.decode(errors="replace"))
            except ValueError:
                document = None
            if not isinstance(document, dict):
                raise http.client.HTTPException(
                    f"a line of the answer is not JSON: {words_of(line)}"
                )
            yield document

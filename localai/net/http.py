"""JSON over plain HTTP to a server of the user's own, with the standard library alone.

`http.client` uses no proxy, follows no redirect and costs a tenth of an HTTP library at start-up.
A connection serves one request, so that closing it stops exactly that. What the documents
mean is the providers' business.
"""

from __future__ import annotations

import http.client
import json
import selectors
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from localai.errors import Remedy, Unreachable
from localai.net.framing import lines_of, refused
from localai.net.target import Target

_CONNECT_TIMEOUT_S = 10.0


class JsonServer:
    """A server at `target`. `permit` opens the guard's grant that connecting to it needs.

    `remedy` is what a user should do when nobody listens there; `proxy` is what the connection is
    tunnelled through.
    """

    def __init__(
        self,
        who: str,
        target: Target,
        remedy: Remedy,
        headers: Mapping[str, str] | None = None,
        permit: Callable[[], AbstractContextManager[None]] = nullcontext,
        proxy: Target | None = None,
    ) -> None:
        self.target = target
        self._who = who
        self._remedy = remedy
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        self._permit = permit
        self._proxy = proxy

    def call(self, method: str, path: str, body: Any = None, timeout_s: float = 30.0) -> Any:
        """The JSON answer to a request. Raises ServerRefused, Unreachable."""
        with self.send(method, path, body, timeout_s) as sent:
            return sent.document()

    @contextmanager
    def send(
        self, method: str, path: str, body: Any = None, timeout_s: float | None = None
    ) -> Iterator[SentRequest]:
        """Send a request; its connection is closed at the end of the block, whatever was read.

        `timeout_s` is the longest silence; None waits for as long as the server lives.
        OSError and HTTPException inside the block become Unreachable.
        """
        connection = self._connection()
        sent = SentRequest(connection)
        try:
            with self._permit():
                connection.connect()
            sock = connection.sock
            # A machine that lost its power says nothing: the kernel asks whether it is there.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.settimeout(timeout_s)
            content = None if body is None else json.dumps(body).encode()
            connection.request(method, self.target.path + path, content, self._headers)
            yield sent
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error, timeout_s) from error
        finally:
            sent.close()

    def _connection(self) -> http.client.HTTPConnection:
        first = self._proxy or self.target
        kind = (
            http.client.HTTPSConnection
            if self.target.scheme == "https"
            else http.client.HTTPConnection
        )
        connection = kind(first.host, first.port, timeout=_CONNECT_TIMEOUT_S)
        if self._proxy is not None:
            connection.set_tunnel(self.target.host, self.target.port)
        return connection

    def _unreachable(self, error: Exception, timeout_s: float | None) -> Unreachable:
        where = f"{self._who} at {self.target.address}"
        if isinstance(error, ConnectionRefusedError):
            return Unreachable(f"{where} is not running: nobody listens there", **self._remedy)
        if isinstance(error, TimeoutError):
            waited = _CONNECT_TIMEOUT_S if timeout_s is None else timeout_s
            return Unreachable(f"{where} has not answered for {waited:.0f} s", **self._remedy)
        return Unreachable(f"{where} broke off: {error or type(error).__name__}", **self._remedy)


class SentRequest:
    """A request that was sent and may not have been answered yet."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        self._response: http.client.HTTPResponse | None = None

    def answers_within(self, seconds: float) -> bool:
        """Whether the answer begins in that time."""
        # Not select.select: it fails in a process with more than 1,024 open files.
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection.sock, selectors.EVENT_READ)
            return bool(selector.select(seconds))

    def response(self) -> http.client.HTTPResponse:
        """Wait for the head of the answer. Raises ServerRefused for a status of 300 and above:
        a redirect is not followed, it would carry a prompt and a key to where nobody said."""
        if self._response is None:
            self._response = self._connection.getresponse()
        if self._response.status >= 300:
            raise refused(self._response)
        return self._response

    def close(self) -> None:
        """Close the connection, which tells the server to stop."""
        if self._response is not None:
            self._response.close()
        self._connection.close()

    def document(self) -> Any:
        """The whole answer as JSON; HTTPException if it is none."""
        content = self.response().read()
        try:
            return json.loads(content)
        except ValueError as error:
            raise http.client.HTTPException("the answer is not JSON") from error

    def json_lines(self) -> Iterator[Any]:
        """The answer line by line, each a JSON document; HTTPException if one is none."""
        for line in lines_of(self.response()):
            if not line.strip():
                continue
            try:
                yield json.loads(line)
            except ValueError as error:
                raise http.client.HTTPException("a line of the answer is not JSON") from error

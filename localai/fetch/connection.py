"""An HTTP connection that is kept open between GETs, and the responses that it accepts.

Follows redirects as `AllowedHosts` permits, reads no more than was asked for, unpacks nothing.
ConnectionLost is a failure that may pass, so the request may be tried again; every other error is
final.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from localai.errors import (
    ConnectionLost,
    InvalidInput,
    LocalaiError,
    NotFound,
    ProviderRefused,
    Unreachable,
)
from localai.fetch.allowed_hosts import AllowedHosts, WebServer, web_server
from localai.net.connection import Server, connect, why_lost
from localai.net.retry import PASSING_STATUSES, retry_after_s
from localai.net.target import split_url
from localai.redaction import remember

_CONNECT_TIMEOUT_S: Final = 15.0
_SILENCE_TIMEOUT_S: Final = 30.0
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_LARGEST_DOCUMENT_BYTES: Final = 4 << 20
_LONGEST_DOCUMENT_S: Final = 60.0
_AGAIN: Final = "run the same command again: it goes on where it stopped"


class HttpResponse:
    """The head of a response, and its body to be read. `url` is the address after all redirects."""

    def __init__(
        self, url: str, response: http.client.HTTPResponse, connection: HttpConnection
    ) -> None:
        self.url = url
        self.status = response.status
        self.headers: Mapping[str, str] = {
            name.lower(): value for name, value in response.headers.items()
        }
        self._response = response
        self._from = connection

    @property
    def host(self) -> str:
        """The server that responded, as users are shown it."""
        return web_server(self.url).shown

    def read(self, most: int) -> bytes:
        """Up to `most` bytes as they arrive, b"" at the end. Raises ConnectionLost."""
        try:
            piece = self._response.read1(most)
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            # The last two errors are http.client's for a connection that another thread has closed.
            raise _lost(self.host, error) from error
        if not piece and self._response.length:
            missing = f"{self._response.length:,} bytes before the end"
            raise ConnectionLost(f"{self.host} broke off {missing}", hint=_AGAIN)
        return piece

    def close(self) -> None:
        """End the response. The connection stays open if the body was read to its end."""
        whole = self._response.isclosed() or self._response.length == 0
        self._response.close()
        if not whole:
            self._from.close()

    def check_status(self, what: str) -> None:
        """Raise the error for a status of 400 or more; `what` is what was asked for."""
        if self.status < 400:
            return
        who = f"{self.host} (HTTP {self.status})"
        if self.status in PASSING_STATUSES:
            message = f"{who} is busy or broken, so {what} was not fetched"
            raise ConnectionLost(message, hint=_AGAIN, retry_after_s=retry_after_s(self.headers))
        if self.status in (404, 410):
            raise NotFound(f"{who} has no {what}", hint="check the name and the tag")
        if self.status in (401, 403):
            raise ProviderRefused(
                f"{who} refuses to serve {what}",
                hint="it does not exist, or needs an account or an accepted licence",
            )
        raise ProviderRefused(f"{who} refuses the request for {what}")


class HttpConnection:
    """One connection at a time, kept open between GETs. Not for several threads at once.

    `authenticates` is False for the requests that fetch a token. `deadline` is a time of
    `time.monotonic()` after which nothing more is read.
    """

    def __init__(
        self, hosts: AllowedHosts, *, authenticates: bool = True, deadline: float | None = None
    ) -> None:
        self._hosts = hosts
        self._authenticates = authenticates
        self._deadline = deadline
        self._open: tuple[WebServer, http.client.HTTPConnection] | None = None
        self._until: float | None = None
        self._ended = False
        self._connecting = False

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """The response to a GET, of any status, after redirects and authentication.

        Raises ConnectionLost, Unreachable (a certificate that is not trusted), PolicyRefused (a
        redirect that is not allowed), InvalidInput (a compressed response).
        """
        asked_again = not self._authenticates
        redirects = 0
        while True:
            server = web_server(url)
            credentials = self._hosts.credentials.get(server)
            own = {"Authorization": credentials} if credentials else {}
            if credentials:
                remember(credentials.partition(" ")[2])
            response = HttpResponse(url, self._send(server, url, {**(headers or {}), **own}), self)
            if response.status == 401 and not asked_again:
                asked_again = True
                challenge = response.headers.get("www-authenticate", "")
                renewed = self._hosts.authenticate(url, challenge)
                if renewed is not None:
                    self.close()
                    self._hosts.credentials[server] = renewed
                    continue
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or not location:
                _check_encoding(response)
                return response
            redirects += 1
            if redirects > _MOST_REDIRECTS:
                raise InvalidInput(f"{server.shown} redirects in a circle")
            self.close()
            split_url(location, f"where {server.shown} redirects to")
            url = urljoin(url, location)
            self._hosts.permit_redirect(server, web_server(url))

    def document(self, url: str, what: str, headers: Mapping[str, str] | None = None) -> bytes:
        """The whole of a small document. Raises what `get` and `check_status` raise, and
        InvalidInput if it is over 4 MiB or takes more than a minute."""
        response = self.get(url, headers)
        try:
            response.check_status(what)
            deadline = self._until = time.monotonic() + _LONGEST_DOCUMENT_S
            content = bytearray()
            while piece := response.read(64 << 10):
                content += piece
                if len(content) > _LARGEST_DOCUMENT_BYTES or time.monotonic() > deadline:
                    raise InvalidInput(
                        f"{response.host} sends {what} without an end: stopped after "
                        f"{len(content):,} bytes"
                    )
        except LocalaiError:
            self.close()
            raise
        finally:
            self._until = None
        response.close()
        return bytes(content)

    def end(self) -> None:
        """Close the connection for good, from another thread: what reads or asks in this one raises
        ConnectionLost."""
        self._ended = True
        self.close()

    @property
    def only_connects(self) -> bool:
        """Whether it has ended while its thread still waits for a server to accept it. Nothing can
        break that wait off; after it the thread only raises ConnectionLost."""
        return self._ended and self._connecting

    def close(self) -> None:
        """Close the connection. May be called from another thread, to end a read."""
        opened, self._open = self._open, None
        if opened is not None:
            with contextlib.suppress(OSError):
                # A shutdown ends a read in another thread; a close does not.
                if opened[1].sock is not None:
                    opened[1].sock.shutdown(socket.SHUT_RDWR)
            opened[1].close()

    def _send(
        self, server: WebServer, url: str, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        reused = self._open is not None and self._open[0] == server
        try:
            return self._exchange(server, url, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not reused:
                raise _lost(server.shown, error, self._proxy_for(server)) from error
        # A server may close an idle connection at any moment, so a failed request is sent once more
        # on a new one.
        try:
            return self._exchange(server, url, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise _lost(server.shown, error, self._proxy_for(server)) from error

    def _exchange(
        self, server: WebServer, url: str, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        connection = self._connection(server)
        parts = urlsplit(url)
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        target = path + (f"?{parts.query}" if parts.query else "")
        fixed = {"Accept-Encoding": "identity", "User-Agent": "localai"}
        connection.request("GET", target, headers={**fixed, **headers})
        self._until = time.monotonic() + _LONGEST_DOCUMENT_S
        response = connection.getresponse()
        self._until = None
        return response

    def _heard(self, _size: int) -> None:
        """Raise HTTPException if a head or a document takes more than a minute, or anything goes on
        after the deadline. A file has no other limit."""
        now = time.monotonic()
        if self._until is not None and now > self._until:
            raise http.client.HTTPException("its answer does not end")
        if self._deadline is not None and now > self._deadline:
            raise http.client.HTTPException("it takes too long")

    def _proxy_for(self, server: WebServer) -> Server | None:
        return self._hosts.proxy if self._hosts.proxied(server) else None

    def _connection(self, server: WebServer) -> http.client.HTTPConnection:
        if self._open is not None and self._open[0] == server:
            return self._open[1]
        self.close()
        self._connecting = True
        try:
            self._require_more()
            connection = self._connected(server)
            self._open = (server, connection)
            self._require_more()
        finally:
            self._connecting = False
        return connection

    def _connected(self, server: WebServer) -> http.client.HTTPConnection:
        with self._hosts.passed_on(server):
            connection = connect(
                server,
                _SILENCE_TIMEOUT_S,
                proxy=self._proxy_for(server),
                tls=self._hosts.tls,
                connect_timeout_s=_CONNECT_TIMEOUT_S,
                heard=self._heard,
            )
        try:
            self._hosts.check_peer(server, str(connection.sock.getpeername()[0]))
        except BaseException:
            connection.close()
            raise
        return connection

    def _require_more(self) -> None:
        """Raise ConnectionLost if nothing more is wanted."""
        if self._ended:
            self.close()
            raise ConnectionLost("the connection was ended here", hint=_AGAIN)


def _lost(host: str, error: Exception, proxy: Server | None = None) -> LocalaiError:
    lost = why_lost(host, error, _SILENCE_TIMEOUT_S, proxy)
    if not lost.may_pass:
        return Unreachable(lost.text, **lost.remedy)
    return ConnectionLost(lost.text, **(lost.remedy or {"hint": _AGAIN}))


def _check_encoding(response: HttpResponse) -> None:
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in ("", "identity"):
        response.close()
        raise InvalidInput(
            f"{response.host} sends its answer compressed ({encoding}), which was not asked for: "
            "nothing of it was unpacked"
        )

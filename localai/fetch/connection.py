"""GETs over a connection that is kept open, and what their answers may be.

Over `http.client`, so that a download costs neither an HTTP library's memory nor its start-up.
Follows redirects as `Web` permits, reads no more than was asked for, unpacks nothing. What goes
wrong for now is a ConnectionLost, and may be tried again; everything else is final.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from localai.errors import InvalidInput, LocalaiError, NotFound, ProviderRefused, Unreachable
from localai.fetch.allowed_hosts import Origin, Web, origin_of

_CONNECT_TIMEOUT_S: Final = 15.0
_SILENCE_TIMEOUT_S: Final = 30.0
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_LARGEST_DOCUMENT_BYTES: Final = 4 << 20
_LONGEST_DOCUMENT_S: Final = 60.0
_AGAIN: Final = "run the same command again: it goes on where it stopped"


class ConnectionLost(Unreachable):
    """The network or the server failed for now; `retry_after_s` is when the server wants to be
    asked again."""

    def __init__(
        self, message: str, hint: str | None = None, *, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s


class Answer:
    """The head of an answer, and its body to be read. `url` is where it came from in the end."""

    def __init__(self, url: str, response: http.client.HTTPResponse, session: Session) -> None:
        self.url = url
        self.status = response.status
        self.headers: Mapping[str, str] = {
            name.lower(): value for name, value in response.headers.items()
        }
        self._response = response
        self._session = session

    @property
    def host(self) -> str:
        """Who answered, as it is shown."""
        return origin_of(self.url).shown

    def read(self, most: int) -> bytes:
        """Up to `most` bytes as they arrive, b"" at the end. Raises ConnectionLost."""
        try:
            piece = self._response.read1(most)
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            # The last two are what http.client makes of a connection closed by another thread.
            raise _lost(self.host, error) from error
        if not piece and self._response.length:
            missing = f"{self._response.length:,} bytes before the end"
            raise ConnectionLost(f"{self.host} broke off {missing}", _AGAIN)
        return piece

    def close(self) -> None:
        """End it; the connection survives if the body was read to its end."""
        whole = self._response.isclosed() or self._response.length == 0
        self._response.close()
        if not whole:
            self._session.close()

    def check_status(self, what: str) -> None:
        """Raise what a status of 400 and above means for `what`, which was asked for."""
        if self.status < 400:
            return
        who = f"{self.host} (HTTP {self.status})"
        if self.status in _BUSY:
            message = f"{who} is busy or broken, so {what} was not fetched"
            raise ConnectionLost(message, _AGAIN, retry_after_s=_seconds(self.headers))
        if self.status in (404, 410):
            raise NotFound(f"{who} has no {what}", hint="check the name and the tag")
        if self.status in (401, 403):
            raise ProviderRefused(
                f"{who} refuses to serve {what}",
                hint="it does not exist, or needs an account or an accepted licence",
            )
        raise ProviderRefused(f"{who} refuses the request for {what}")


class Session:
    """One connection at a time, kept open between GETs. Not for several threads at once.

    `authenticates` False is for the requests by which a token is got.
    """

    def __init__(self, web: Web, *, authenticates: bool = True) -> None:
        self._web = web
        self._authenticates = authenticates
        self._open: tuple[Origin, http.client.HTTPConnection] | None = None

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a GET, after redirects and a demanded authentication, of any status.

        Raises ConnectionLost, Unreachable (a certificate that is not trusted), PolicyRefused
        (a redirect to where it must not lead), InvalidInput (an answer that is compressed).
        """
        asked_again = not self._authenticates
        redirects = 0
        while True:
            origin = origin_of(url)
            credentials = self._web.credentials.get(origin)
            own = {"Authorization": credentials} if credentials else {}
            answer = Answer(url, self._send(origin, url, {**(headers or {}), **own}), self)
            if answer.status == 401 and not asked_again:
                asked_again = True
                renewed = self._web.authenticate(answer)
                if renewed is not None:
                    self.close()
                    self._web.credentials[origin] = renewed
                    continue
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not location:
                _check_encoding(answer)
                return answer
            redirects += 1
            if redirects > _MOST_REDIRECTS:
                raise InvalidInput(f"{origin.shown} redirects in a circle")
            self.close()
            url = urljoin(url, location)
            self._web.permit_redirect(origin, origin_of(url))

    def document(self, url: str, what: str, headers: Mapping[str, str] | None = None) -> bytes:
        """A small document, whole. Raises what `get` and `check_status` do, and InvalidInput for
        one that does not end."""
        answer = self.get(url, headers)
        try:
            answer.check_status(what)
            deadline = time.monotonic() + _LONGEST_DOCUMENT_S
            content = bytearray()
            while piece := answer.read(64 << 10):
                content += piece
                if len(content) > _LARGEST_DOCUMENT_BYTES or time.monotonic() > deadline:
                    raise InvalidInput(
                        f"{answer.host} sends {what} without an end: stopped after "
                        f"{len(content):,} bytes"
                    )
        except LocalaiError:
            self.close()
            raise
        answer.close()
        return bytes(content)

    def close(self) -> None:
        """Close the connection. May be called from another thread, to end a read."""
        opened, self._open = self._open, None
        if opened is not None:
            with contextlib.suppress(OSError):
                # A read in another thread ends at a shutdown, not at a close.
                if opened[1].sock is not None:
                    opened[1].sock.shutdown(socket.SHUT_RDWR)
            opened[1].close()

    def _send(
        self, origin: Origin, url: str, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        reused = self._open is not None and self._open[0] == origin
        try:
            return self._exchange(origin, url, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not reused:
                raise _lost(origin.shown, error) from error
        # A server may close an idle connection at any moment; a new one tells.
        try:
            return self._exchange(origin, url, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise _lost(origin.shown, error) from error

    def _exchange(
        self, origin: Origin, url: str, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        connection = self._connection(origin)
        parts = urlsplit(url)
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        target = path + (f"?{parts.query}" if parts.query else "")
        fixed = {"Accept-Encoding": "identity", "User-Agent": "localai"}
        connection.request("GET", target, headers={**fixed, **headers})
        return connection.getresponse()

    def _connection(self, origin: Origin) -> http.client.HTTPConnection:
        if self._open is not None and self._open[0] == origin:
            return self._open[1]
        self.close()
        proxy = self._web.proxy if self._web.proxied(origin) else None
        first = proxy or origin
        connection = (
            http.client.HTTPSConnection(
                first.host, first.port, timeout=_CONNECT_TIMEOUT_S, context=self._web.tls()
            )
            if origin.scheme == "https"
            else http.client.HTTPConnection(first.host, first.port, timeout=_CONNECT_TIMEOUT_S)
        )
        if proxy is not None:
            connection.set_tunnel(origin.host, origin.port)
        connection.connect()
        try:
            self._web.check_peer(origin, str(connection.sock.getpeername()[0]))
        except BaseException:
            connection.close()
            raise
        connection.sock.settimeout(_SILENCE_TIMEOUT_S)
        self._open = (origin, connection)
        return connection


def _check_encoding(answer: Answer) -> None:
    encoding = answer.headers.get("content-encoding", "identity").lower()
    if encoding not in ("", "identity"):
        answer.close()
        raise InvalidInput(
            f"{answer.host} sends its answer compressed ({encoding}), which was not asked for: "
            "nothing of it was unpacked"
        )


def _lost(host: str, error: Exception) -> LocalaiError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unreachable(
            f"the certificate of {host} is not trusted here: {error.verify_message}",
            hint="behind a company's proxy: export SSL_CERT_FILE=/path/to/its/ca.pem",
        )
    if isinstance(error, socket.gaierror):
        return ConnectionLost(
            f"{host} cannot be found",
            "is the network there? behind a proxy: localai config set "
            "network.proxy http://HOST:PORT",
        )
    if isinstance(error, TimeoutError):
        return ConnectionLost(f"{host} has not answered for a while", _AGAIN)
    if isinstance(error, ConnectionRefusedError):
        return ConnectionLost(f"{host} cannot be reached: nobody listens there", _AGAIN)
    reason = str(error) or type(error).__name__
    return ConnectionLost(f"{host} broke off or cannot be reached: {reason}", _AGAIN)


def _seconds(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdecimal() else None

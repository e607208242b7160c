"""GETs for downloads: who may be asked, where a redirect may lead, what an answer may be.

Owns the guard's grants of one download: for the host that was named, and for each host that it
redirects to, which is announced. Over `http.client`, so that a download costs neither an HTTP
library's memory nor its start-up. Knows nothing of models.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from localai.errors import (
    InvalidInput,
    LocalaiError,
    NotFound,
    PolicyRefused,
    ProviderRefused,
    Unreachable,
)
from localai.privacy import guard
from localai.privacy.zones import literal_address, zone_of_address, zone_of_host
from localai.types import Purpose, Zone

_CONNECT_TIMEOUT_S: Final = 15.0
_SILENCE_TIMEOUT_S: Final = 30.0
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PORTS: Final = {"http": 80, "https": 443}
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_LARGEST_DOCUMENT_BYTES: Final = 4 << 20
_LONGEST_DOCUMENT_S: Final = 60.0


class ConnectionLost(Unreachable):
    """The network or the server failed for now; `retry_after_s` is when the server wants to be
    asked again."""

    def __init__(
        self, message: str, hint: str | None = None, *, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, hint)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Origin:
    """A scheme, host and port: what credentials and permissions belong to."""

    scheme: str
    host: str
    port: int

    @property
    def shown(self) -> str:
        """The host, with the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def origin_of(url: str) -> Origin:
    """Where `url` points. Raises InvalidInput for what is no http(s) URL or carries a password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidInput(f"{url!r} is no URL: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise InvalidInput(f"{url!r} is no http or https URL")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput("a URL with a user name or password in it is not used")
    return Origin(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])


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


_AGAIN: Final = "run the same command again: it goes on where it stopped"


class Web:
    """Everything that one pull may ask, from the first host that it was told to.

    `announce` is called with a sentence for each further host. `lan` are the hosts of the local
    network that the configuration names; `proxy` is its `network.proxy`. Close it to give the
    permissions back.
    """

    def __init__(
        self,
        announce: Callable[[str], None] = lambda text: None,
        *,
        lan: tuple[str, ...] = (),
        proxy: str | None = None,
    ) -> None:
        self.announce = announce
        self.proxy = None if proxy is None else _proxy_origin(proxy)
        # How to answer a 401: gets its head, returns the value of Authorization or None.
        self.authenticate: Callable[[Answer], str | None] = lambda answer: None
        self.credentials: dict[Origin, str] = {}
        self._lan = {host.lower() for host in lan}
        self._permitted: dict[tuple[str, int], Zone] = {}
        self._reached: dict[tuple[str, int], Zone] = {}
        self._grants = contextlib.ExitStack()
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None

    def __enter__(self) -> Web:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._grants.close()

    def permit(self, origin: Origin) -> None:
        """Let `origin`, which the user or the configuration names, be connected to."""
        self._grant(origin, self._farthest(origin.host))

    def permit_redirect(self, before: Origin, after: Origin) -> None:
        """Let a server send us on: announced, in the same zone, and not from https to http.

        Raises PolicyRefused otherwise: a server elsewhere must not reach into this machine or
        its network through us, and one on this machine must not send us out of it.
        """
        if before.scheme == "https" and after.scheme == "http":
            raise PolicyRefused(
                f"{before.shown} redirects from https to plain http at {after.shown}: not followed"
            )
        zone = self._reached.get((before.host, before.port), self._farthest(before.host))
        farthest = self._farthest(after.host)
        known = farthest is not Zone.CLOUD or literal_address(after.host) is not None
        if (zone is Zone.DEVICE or known) and farthest is not zone:
            raise _crossing(before, after, zone, farthest)
        if (after.host, after.port) not in self._permitted:
            self.announce(f"{before.shown} sends us on to {after.shown}")
        with self._lock:
            self._reached.setdefault((after.host, after.port), zone)
        self._grant(after, zone)

    def check_peer(self, origin: Origin, peer: str) -> None:
        """Raise PolicyRefused where the address that answers for `origin` is nearer than it may
        be: a name that was redirected to and resolves to this machine or its network."""
        address = literal_address(peer)
        if address is None or self.proxied(origin):
            return
        zone = zone_of_address(address)
        key = (origin.host, origin.port)
        with self._lock:
            expected = self._reached.get(key)
            if expected is None:
                self._reached[key] = zone
        if expected is not None and zone < expected:
            raise _crossing(None, origin, expected, zone)

    def proxied(self, origin: Origin) -> bool:
        """Whether connections to `origin` go through the proxy: only what is far away does."""
        return self.proxy is not None and self._farthest(origin.host) is Zone.CLOUD

    def tls(self) -> ssl.SSLContext:
        """The system's trust, made once."""
        with self._lock:
            if self._tls is None:
                self._tls = ssl.create_default_context()
            return self._tls

    def _farthest(self, host: str) -> Zone:
        """How far away `host` may be, judged without a look-up."""
        if host == "localhost":
            return Zone.DEVICE
        literal = zone_of_host(host)
        if literal is not None:
            return literal
        return Zone.LAN if host in self._lan else Zone.CLOUD

    def _grant(self, origin: Origin, zone: Zone) -> None:
        key = (origin.host, origin.port)
        with self._lock:
            if key in self._permitted:
                return
            self._permitted[key] = zone
            # Also for this machine, where none is needed: a grant lifts the hub's offline mode.
            target = self.proxy if self.proxy is not None and zone is Zone.CLOUD else origin
            self._grants.enter_context(
                guard.grant(Purpose.DOWNLOAD, target.host, target.port, zone=zone)
            )


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


def _crossing(before: Origin | None, after: Origin, expected: Zone, found: Zone) -> PolicyRefused:
    """The refusal of a redirect that would change the zone."""
    places = {
        Zone.DEVICE: "this machine",
        Zone.LAN: "the local network",
        Zone.CLOUD: "the internet",
    }
    who = "a redirect leads" if before is None else f"{before.shown} redirects"
    return PolicyRefused(
        f"refused by the privacy policy: {who} from {places[expected]} to {after.shown}, "
        f"which is on {places[found]}",
        hint="if you trust it, give its own address to localai pull",
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


def _proxy_origin(written: str) -> Origin:
    origin = origin_of(written if "://" in written else f"http://{written}")
    if origin.scheme != "http":
        raise InvalidInput(f"network.proxy must be an http:// address, not {written!r}")
    return origin

"""HTTP connections over Unix sockets, TCP, TLS and proxies, with the standard library alone.

This is the one module that opens such connections and explains why one failed or was lost.
`http.client` takes 30 ms less at start-up than the lightest HTTP library, reads no proxy from the
environment and follows no redirect. `framing` reads the answers.
"""

from __future__ import annotations

import errno
import http.client
import io
import json
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from localai.arrivals import is_collecting, mark
from localai.dataclass import dataclass
from localai.errors import Remedy
from localai.net.authorities import trusting_context
from localai.net.framing import refused
from localai.net.unix import UnixConnection
from localai.privacy import policy

if TYPE_CHECKING:
    from localai.net.kernel_stamps import StampedRead

CONNECT_TIMEOUT_S = 10.0
_UNSET_PROXY = "localai config unset network.proxy"
_BY_PROXY = "behind a proxy: localai config set network.proxy http://HOST:PORT"
_WITHOUT_PROXY = "without a proxy: localai config unset network.proxy"


class Server(Protocol):
    """The target of a connection over TCP."""

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        ...

    @property
    def host(self) -> str:
        """The server's name or address."""
        ...

    @property
    def port(self) -> int:
        """The server's TCP port."""
        ...


def connect(
    server: Server | Path,
    silence_timeout_s: float | None,
    *,
    proxy: Server | None = None,
    tls: Callable[[], ssl.SSLContext] | None = None,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    heard: Callable[[int], None] | None = None,
) -> http.client.HTTPConnection:
    """An open connection to `server`, or to the Unix socket at a path.

    `silence_timeout_s` is the longest pause between two bytes in seconds; None waits as long as the
    server lives. With a `proxy`, the connection is tunnelled through it. `tls` returns the TLS
    context for an https server; None is the system's authorities. `heard` is called with the number
    of bytes of each piece that arrives, heads and comments included; it ends the reading by
    raising. Raises OSError and HTTPException, which `why_lost` explains, and PolicyRefused if
    another user listens on a Unix socket.
    """
    connection = _unconnected(server, proxy, tls, connect_timeout_s)
    if heard is not None:
        connection.response_class = _response_telling(heard)
    try:
        connection.connect()
        # A machine that loses its power sends nothing, so the kernel must probe for it.
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.sock.settimeout(silence_timeout_s)
    except BaseException:
        connection.close()
        raise
    return connection


def ends_within(seconds: float) -> Callable[[int], None]:
    """A `heard` that raises HTTPException for what comes later than `seconds` from now."""
    deadline = time.monotonic() + seconds

    def heard(_size: int) -> None:
        if time.monotonic() > deadline:
            raise http.client.HTTPException(f"its answer has not ended in {seconds:.0f} s")

    return heard


def _response_telling(heard: Callable[[int], None]) -> type[http.client.HTTPResponse]:
    class Telling(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
            super().__init__(sock, *arguments, **options)
            self.fp.close()
            self.fp = io.BufferedReader(_Heard(sock, heard))

    return Telling


class _Heard(io.RawIOBase):
    """What comes over a socket, each part of it told."""

    def __init__(self, sock: socket.socket, heard: Callable[[int], None]) -> None:
        self._raw = sock.makefile("rb", buffering=0)
        self._tell = heard
        self._read_stamped: StampedRead | None = None
        if is_collecting():
            from localai.net.kernel_stamps import stamped_read

            self._read_stamped = stamped_read(sock)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        at = None
        if self._read_stamped is None:
            size = self._raw.readinto(buffer)
        else:
            size, at = self._read_stamped(buffer)
        mark(at)
        self._tell(size or 0)
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()


def _unconnected(
    server: Server | Path,
    proxy: Server | None,
    tls: Callable[[], ssl.SSLContext] | None,
    timeout_s: float,
) -> http.client.HTTPConnection:
    if isinstance(server, Path):
        # No timeout: with one, a worker whose queue is full would refuse instead of waiting.
        return UnixConnection(server)
    first = proxy or server
    if server.scheme == "https":
        context = trusting_context() if tls is None else tls()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            first.host, first.port, timeout=timeout_s, context=context
        )
    else:
        connection = http.client.HTTPConnection(first.host, first.port, timeout=timeout_s)
    if proxy is not None:
        connection.set_tunnel(server.host, server.port)
    return connection


def send(
    connection: http.client.HTTPConnection,
    method: str,
    url: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send a request; its body, if it has one, is sent as JSON. Raises OSError and
    HTTPException."""
    content = None if body is None else json.dumps(body).encode()
    connection.request(
        method, url, content, {"Content-Type": "application/json", **(headers or {})}
    )


def accepted(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    """The answer, once its head is here. Raises ServerRefused for a status of 300 and above.

    A redirect counts as a refusal: following it would carry a prompt and a key to a server that the
    user did not name.
    """
    response = connection.getresponse()
    if response.status >= 300:
        raise refused(response)
    return response


@dataclass(frozen=True, slots=True)
class Loss:
    """The reason why a connection failed or was lost, as a sentence in `text`.

    `remedy` is the user's way out; it is empty if that depends on the server. `may_pass` says
    whether trying again can help.
    """

    text: str
    remedy: Remedy = field(default_factory=Remedy)
    may_pass: bool = True


def why_lost(
    who: str,
    error: Exception,
    silence_timeout_s: float | None = None,
    proxy: Server | None = None,
) -> Loss:
    """The explanation of an OSError or HTTPException that a connection to `who` raised.

    With a `proxy`, an error before the tunnel stands is the proxy's and not `who`'s.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return Loss(
            f"the certificate of {who} is not trusted here: {error.verify_message}",
            {
                "hint": "behind a company's proxy: export SSL_CERT_FILE=/path/to/its/ca.pem",
                "check": "network --online",
            },
            may_pass=False,
        )
    if isinstance(error, socket.gaierror):
        what, instead = (who, _BY_PROXY) if proxy is None else (_called(proxy), _WITHOUT_PROXY)
        return Loss(
            f"{what} cannot be found",
            {"hint": f"is the network there? {instead}", "check": "network --online"},
        )
    if getattr(error, "errno", None) in (errno.EACCES, errno.EPERM):
        return _forbidden(who)
    if getattr(error, "errno", None) in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return Loss(
            f"no network leads to {who}: {getattr(error, 'strerror', None) or error}",
            {"hint": "is the network there?", "check": "network --online"},
        )
    if isinstance(error, TimeoutError):
        waited_s = CONNECT_TIMEOUT_S if silence_timeout_s is None else silence_timeout_s
        return Loss(f"{who} has not answered for {waited_s:.0f} s")
    if proxy is not None and isinstance(error, ConnectionRefusedError):
        return Loss(
            f"{_called(proxy)}, which leads to {who}, is not running: nobody listens there",
            {"hint": "start it, or do without it", "command": _UNSET_PROXY, "check": "proxy-down"},
            may_pass=False,
        )
    if proxy is not None and str(error).startswith("Tunnel connection failed"):
        return Loss(
            f"{_called(proxy)} does not connect to {who}: {str(error).partition(': ')[2]}",
            {"hint": "ask the proxy's administrator, or do without it", "command": _UNSET_PROXY},
        )
    if isinstance(error, ConnectionRefusedError):
        return Loss(f"{who} is not running: nobody listens there")
    return Loss(f"{who} broke off: {str(error) or type(error).__name__}")


def _called(proxy: Server) -> str:
    return f"the proxy {proxy.host}:{proxy.port}"


def _forbidden(who: str) -> Loss:
    """The loss for a socket or connection that the operating system forbids."""
    if policy.is_air_gapped():
        return Loss(
            f"{who} cannot be reached under --airgap, which leaves this command no network",
            {"hint": "run it without --airgap, or let the embedded engine answer: -m starter"},
            may_pass=False,
        )
    return Loss(
        f"the system forbids this command to connect to {who}: it runs in a sandbox",
        {"hint": "a container's profile, firejail, bubblewrap or a systemd unit: run it outside"},
        may_pass=False,
    )

"""HTTP connections, with the standard library alone: Unix sockets, TCP, TLS, and by a proxy.

The one place that opens them, and that knows why one did not come about or was lost. `http.client`
costs 30 ms less at start-up than the lightest HTTP library, asks no proxy of the environment and
follows no redirect. How answers are framed is `framing`'s subject.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol

from localai.dataclass import dataclass
from localai.errors import Remedy
from localai.net.authorities import trusting_context
from localai.net.framing import refused
from localai.net.unix import UnixConnection

CONNECT_TIMEOUT_S = 10.0


class Server(Protocol):
    """What a connection over TCP goes to."""

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        ...

    @property
    def host(self) -> str:
        """Its name or address."""
        ...

    @property
    def port(self) -> int:
        """Its TCP port."""
        ...


def connect(
    server: Server | Path,
    silence_timeout_s: float | None,
    *,
    proxy: Server | None = None,
    tls: Callable[[], ssl.SSLContext] | None = None,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
) -> http.client.HTTPConnection:
    """An open connection to `server`, a path being that of a Unix socket.

    `silence_timeout_s` is the longest pause between two bytes; None waits for as long as the server
    lives. What goes by a `proxy` is tunnelled through it. `tls` gives the trusted certificates of
    an https server, the system's if it is None. Raises OSError and HTTPException, whose meaning
    `why_lost` says, and PolicyRefused where another user listens on a Unix socket.
    """
    connection = _unconnected(server, proxy, tls, connect_timeout_s)
    try:
        connection.connect()
        # A machine that lost its power says nothing: the kernel asks whether it is there.
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.sock.settimeout(silence_timeout_s)
    except BaseException:
        connection.close()
        raise
    return connection


def _unconnected(
    server: Server | Path,
    proxy: Server | None,
    tls: Callable[[], ssl.SSLContext] | None,
    timeout_s: float,
) -> http.client.HTTPConnection:
    if isinstance(server, Path):
        # No timeout: with one, a worker whose queue is full would refuse instead of letting wait.
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
    """Send a request whose body, if it has one, is JSON. Raises OSError and HTTPException."""
    content = None if body is None else json.dumps(body).encode()
    connection.request(
        method, url, content, {"Content-Type": "application/json", **(headers or {})}
    )


def accepted(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    """Wait for the head of the answer. Raises ServerRefused for a status of 300 and above: a
    redirect is not followed, it would carry a prompt and a key to where nobody said."""
    response = connection.getresponse()
    if response.status >= 300:
        raise refused(response)
    return response


@dataclass(frozen=True, slots=True)
class Loss:
    """Why a connection did not come about or was lost, as a sentence. `remedy` is what mends it,
    empty where that depends on the server. `may_pass` says whether to try again can help."""

    text: str
    remedy: Remedy = field(default_factory=Remedy)
    may_pass: bool = True


def why_lost(who: str, error: Exception, silence_timeout_s: float | None = None) -> Loss:
    """What an OSError or HTTPException of a connection to `who` means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Loss(
            f"the certificate of {who} is not trusted here: {error.verify_message}",
            {
                "hint": "behind a company's proxy: export SSL_CERT_FILE=/path/to/its/ca.pem",
                "check": "network",
            },
            may_pass=False,
        )
    if isinstance(error, socket.gaierror):
        return Loss(
            f"{who} cannot be found",
            {
                "hint": "is the network there? behind a proxy: localai config set "
                "network.proxy http://HOST:PORT",
                "check": "network",
            },
        )
    if isinstance(error, TimeoutError):
        waited_s = CONNECT_TIMEOUT_S if silence_timeout_s is None else silence_timeout_s
        return Loss(f"{who} has not answered for {waited_s:.0f} s")
    if isinstance(error, ConnectionRefusedError):
        return Loss(f"{who} is not running: nobody listens there")
    return Loss(f"{who} broke off: {str(error) or type(error).__name__}")

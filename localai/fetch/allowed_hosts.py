"""The hosts that a download may connect to: the one that was named, and those that it may redirect
to.

Owns the grants of one pull, and what its connections share: certificates, proxy, credentials. Knows
nothing of models, and opens no connection: `fetch.connection` does.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput, PolicyRefused
from localai.net.authorities import trusting_context
from localai.net.target import split_url
from localai.privacy import guard
from localai.privacy.zones import literal_address, zone_of_address, zone_of_host
from localai.types import Purpose, Zone

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class WebServer:
    """A scheme, host and port (RFC 6454's origin), to which credentials and permissions belong."""

    scheme: str
    host: str
    port: int

    @property
    def shown(self) -> str:
        """The host, with the port if it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def web_server(url: str) -> WebServer:
    """The server of `url`. Raises InvalidInput if it is no http(s) URL, or has a password in it."""
    parts = split_url(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise InvalidInput(f"{url!r} is no http or https URL")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput("a URL with a user name or password in it is not used")
    return WebServer(parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme])


class AllowedHosts:
    """The hosts that one pull may connect to: those that were named, and those that they redirect
    to.

    `announce` is called with a sentence for each host that a redirect adds. `lan` are the hosts of
    the local network that the configuration names, `proxy` is its `network.proxy`. Used as a
    context manager; its end gives the grants back.
    """

    def __init__(
        self,
        announce: Callable[[str], None] = lambda text: None,
        *,
        lan: tuple[str, ...] = (),
        proxy: str | None = None,
    ) -> None:
        self.announce = announce
        self.proxy = None if proxy is None else _proxy_server(proxy)
        # How to answer a 401: is called with the URL and the response's WWW-Authenticate header,
        # returns the value of an Authorization header, or None.
        self.authenticate: Callable[[str, str], str | None] = lambda url, challenge: None
        self.credentials: dict[WebServer, str] = {}
        self._lan = {host.lower() for host in lan}
        self._permitted: dict[tuple[str, int], Zone] = {}
        self._reached: dict[tuple[str, int], Zone] = {}
        self._grants = contextlib.ExitStack()
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None

    def __enter__(self) -> AllowedHosts:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._grants.close()

    def permit(self, server: WebServer) -> None:
        """Allow connections to `server`, which the user or the configuration names."""
        self._grant(server, self._farthest(server.host))

    def permit_redirect(self, before: WebServer, after: WebServer) -> None:
        """Allow a redirect within one zone, and announce it.

        Raises PolicyRefused for a redirect from https to http or into another zone: a server
        elsewhere must not reach into this machine or its network through us, and a server on this
        machine must not send us out of it.
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
        self._grant(after, zone, nearest=zone)

    def check_peer(self, server: WebServer, peer: str) -> None:
        """Raise PolicyRefused if `server` resolved to `peer`, an address nearer than its zone
        permits: a redirect to a name that resolves to this machine or its network."""
        address = literal_address(peer)
        if address is None or self.proxied(server):
            return
        zone = zone_of_address(address)
        key = (server.host, server.port)
        with self._lock:
            expected = self._reached.get(key)
            if expected is None:
                self._reached[key] = zone
        if expected is not None and zone < expected:
            raise _crossing(None, server, expected, zone)

    def proxied(self, server: WebServer) -> bool:
        """Whether connections to `server` use the proxy: only those into the internet do."""
        return self.proxy is not None and self._farthest(server.host) is Zone.CLOUD

    def passed_on(self, server: WebServer) -> AbstractContextManager[None]:
        """Held while a connection to `server` is made. Through the proxy, it is entered in the
        ledger as one to the server, too."""
        if not self.proxied(server):
            return contextlib.nullcontext()
        return guard.passed_on_to(server.host, Purpose.DOWNLOAD)

    def tls(self) -> ssl.SSLContext:
        """The system's trusted certificates, read once."""
        with self._lock:
            if self._tls is None:
                self._tls = trusting_context()
            return self._tls

    def _farthest(self, host: str) -> Zone:
        """The farthest zone that `host` may be in, judged without a look-up."""
        if host == "localhost":
            return Zone.DEVICE
        literal = zone_of_host(host)
        if literal is not None:
            return literal
        return Zone.LAN if host in self._lan else Zone.CLOUD

    def _grant(self, server: WebServer, zone: Zone, nearest: Zone = Zone.DEVICE) -> None:
        key = (server.host, server.port)
        with self._lock:
            if key in self._permitted:
                return
            self._permitted[key] = zone
            # Also for this machine, which needs none: a grant lifts the hub's offline mode.
            target = server
            if self.proxy is not None and zone is Zone.CLOUD:
                target, nearest = self.proxy, Zone.DEVICE
            self._grants.enter_context(
                guard.grant(Purpose.DOWNLOAD, target.host, target.port, zone=zone, nearest=nearest)
            )


def _crossing(
    before: WebServer | None, after: WebServer, expected: Zone, found: Zone
) -> PolicyRefused:
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


def _proxy_server(written: str) -> WebServer:
    server = web_server(written if "://" in written else f"http://{written}")
    if server.scheme != "http":
        raise InvalidInput(f"network.proxy must be an http:// address, not {written!r}")
    return server

"""Who a download may talk to: the host that was named, and where it may redirect to.

Owns the guard's grants of one pull, and the trust and credentials that its connections share.
Knows nothing of models, and opens no connection: `session` does.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from localai.errors import InvalidInput, PolicyRefused
from localai.privacy import guard
from localai.privacy.zones import literal_address, zone_of_address, zone_of_host
from localai.types import Purpose, Zone

if TYPE_CHECKING:
    from localai.fetch.connection import Answer

_PORTS: Final = {"http": 80, "https": 443}


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


def _proxy_origin(written: str) -> Origin:
    origin = origin_of(written if "://" in written else f"http://{written}")
    if origin.scheme != "http":
        raise InvalidInput(f"network.proxy must be an http:// address, not {written!r}")
    return origin

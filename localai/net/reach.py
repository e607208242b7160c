"""The decision whether localai may connect to a server that the user chose, and the server's zone.

The zone is that of the *resolved* address, and the connection's address must lie in the same zone.
A server on this machine is always allowed, a host of the local network if `network.lan` names it,
and a farther one if `cloud.allow` names its provider. On this machine the listening user must be
this user, root, the service's own user or one of `network.users`, because every user may open a
free port.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

from localai.dataclass import dataclass
from localai.errors import PolicyRefused, Unreachable
from localai.net.listener import UNKNOWN, listening_users, stranger_listening
from localai.privacy import guard
from localai.privacy.zones import literal_address, zone_of_address, zone_of_host
from localai.types import Purpose, Zone

if TYPE_CHECKING:
    from localai.config import Config


@dataclass(frozen=True, slots=True)
class Reach:
    """A server that localai may connect to, and its zone.

    For a proxy, `passed_on_to` is the host that the proxy connects to. Messages call the server
    `who`. On this machine `service_users` and the configured `users` may run the server, besides
    this user and root.
    """

    host: str
    port: int
    zone: Zone
    passed_on_to: str | None = None
    who: str = "a server"
    service_users: tuple[str, ...] = ()
    users: tuple[str, ...] = ()

    @contextlib.contextmanager
    def grant(self, purpose: Purpose = Purpose.INFERENCE) -> Iterator[None]:
        """Permit connections to this server while the context is open.

        Raises PolicyRefused, at the beginning and at the end of the context, if another user of
        this machine listens. Connect inside and send afterwards: then a stranger receives nothing.
        """
        self._refuse_strangers(connected=False)
        with contextlib.ExitStack() as held:
            if self.passed_on_to is not None:
                held.enter_context(guard.passed_on_to(self.passed_on_to, purpose))
            if zone_of_host(self.host) is not Zone.DEVICE:
                nearest = Zone.DEVICE if self.passed_on_to is not None else self.zone
                held.enter_context(
                    guard.grant(purpose, self.host, self.port, zone=self.zone, nearest=nearest)
                )
            yield
        self._refuse_strangers(connected=True)

    def run_by(self) -> str:
        """The part of a sentence that names the user who runs the server, such as `, run by ann`;
        empty for a server on another machine."""
        if not self._is_here():
            return ""
        return f", run by {' and '.join(sorted(listening_users(self.host, self.port))) or UNKNOWN}"

    def _refuse_strangers(self, *, connected: bool) -> None:
        if not self._is_here():
            return
        stranger = stranger_listening(
            self.host, self.port, (*self.service_users, *self.users), connected=connected
        )
        if stranger is None:
            return
        user = (
            f"{UNKNOWN}, a user whom this system does not show"
            if stranger == UNKNOWN
            else f"{stranger}, another user of this machine"
        )
        raise PolicyRefused(
            f"refused by the privacy policy: {self.who} at {self.host} port {self.port}"
            f" is run by {user}",
            hint=f"to trust {stranger} with your prompts and keys",
            command=f"localai config set network.users {','.join([*self.users, stranger])}",
            check="server-of-another-user",
        )

    def _is_here(self) -> bool:
        return zone_of_host(self.host) is Zone.DEVICE


def reach(
    who: str,
    host: str,
    port: int,
    config: Config,
    *,
    cloud: str,
    service_users: tuple[str, ...] = (),
) -> Reach:
    """The reach of the server `who` at `host` and `port`, if the config allows it.

    `cloud` is the server's name in `cloud.allow`; `service_users` are the users that its system
    service runs as. Raises PolicyRefused, with the setting that would allow the server, and
    Unreachable for an unknown host name.
    """
    farthest = _farthest_allowed(host, config, cloud)
    address = literal_address(host)
    if address is not None:
        zone = zone_of_address(address)
    elif farthest is Zone.DEVICE:
        # A look-up alone would tell a resolver the name.
        raise _refused(who, host, Zone.LAN, cloud)
    else:
        zone = _zone_of_name(who, host, port, farthest)
    if zone > farthest:
        raise _refused(who, host, zone, cloud)
    users = tuple(config["network.users"])
    return Reach(host, port, zone, who=who, service_users=service_users, users=users)


def _farthest_allowed(host: str, config: Config, cloud: str) -> Zone:
    if cloud in config["cloud.allow"]:
        return Zone.CLOUD
    named = {name.lower() for name in config["network.lan"]}
    return Zone.LAN if host.lower() in named else Zone.DEVICE


def _zone_of_name(who: str, host: str, port: int, farthest: Zone) -> Zone:
    try:
        with guard.grant(Purpose.INFERENCE, host, port, zone=farthest):
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unreachable(
            f"{who} cannot be found: there is no host called {host!r}",
            hint="check the name",
            command="localai config list",
        ) from error
    addresses = (literal_address(str(answer[4][0])) for answer in answers)
    return max(zone_of_address(address) for address in addresses if address is not None)


def _refused(who: str, host: str, zone: Zone, cloud: str) -> PolicyRefused:
    if zone is Zone.CLOUD:
        return PolicyRefused(
            f"refused by the privacy policy: {who} at {host} is outside the local network",
            command=f"localai config set cloud.allow {cloud}",
        )
    return PolicyRefused(
        f"refused by the privacy policy: {who} at {host} is not this machine",
        command=f"localai config set network.lan {host}",
    )

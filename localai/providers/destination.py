"""The server that a provider's requests go to, and whether the user has allowed that.

A key in the environment is no permission: `cloud.allow` is. What can be judged without a look-up is
refused here, before a resolver hears of it. `reach` judges the resolved address, and the guard
enforces the same below every library.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from localai.dataclass import dataclass
from localai.errors import PolicyRefused
from localai.events import Locality
from localai.net.reach import Reach, reach
from localai.net.target import Target, client_target
from localai.privacy.zones import zone_of_host
from localai.types import Zone

if TYPE_CHECKING:
    from localai.config import Config

_PROXY_PORT = 3128


@dataclass(frozen=True, slots=True)
class Destination:
    """The server at `target`; messages call it `who`. `consent` is its name in `cloud.allow`."""

    who: str
    target: Target
    consent: str

    @property
    def host(self) -> str:
        """The target's host."""
        return self.target.host

    def bound(self, config: Config) -> Zone:
        """The farthest zone that it may be in, without a look-up: by its address, or for a name by
        the user's configuration."""
        literal = zone_of_host(self.host)
        if literal is not None:
            return literal
        return Zone.LAN if self._is_named_in_lan(config) else Zone.CLOUD

    def proxy(self, config: Config) -> Target | None:
        """The configured proxy, for a far server; None for this machine and its network."""
        written = config["network.proxy"]
        if written is None or self.bound(config) is not Zone.CLOUD:
            return None
        return client_target(written, _PROXY_PORT, "network.proxy")

    def label(self, config: Config) -> str | None:
        """The host that a prompt goes to, for the line that is shown before; None if it stays on
        this machine."""
        if self.bound(config) is Zone.DEVICE:
            return None
        proxy = self.proxy(config)
        return self.host if proxy is None else f"{self.host} through the proxy {proxy.address}"

    def require_consent(self, config: Config) -> None:
        """Raise PolicyRefused, with the line that allows it, unless the user has allowed it."""
        bound = self.bound(config)
        if bound is Zone.DEVICE or self.consent in config["cloud.allow"]:
            return
        if bound is Zone.CLOUD:
            allowed = ",".join([*config["cloud.allow"], self.consent])
            raise PolicyRefused(
                f"refused by the privacy policy: {self.who} would send the prompt to {self.host},"
                " and cloud.allow does not name it (a key in the environment is not an opt-in)",
                command=f"localai config set cloud.allow {allowed}",
            )
        if not self._is_named_in_lan(config):
            named = ",".join([*config["network.lan"], self.host])
            raise PolicyRefused(
                f"refused by the privacy policy: {self.who} at {self.host} is on the local network,"
                " and network.lan does not name it",
                command=f"localai config set network.lan {named}",
            )

    def reach(self, config: Config) -> Reach:
        """The permission to connect, for the address that the host resolves to now.

        Raises PolicyRefused, and Unreachable if the name is unknown.
        """
        self.require_consent(config)
        proxy = self.proxy(config)
        if proxy is not None:
            # Behind a proxy, outside names often cannot be resolved, and need not be.
            return Reach(
                proxy.host,
                proxy.port,
                Zone.CLOUD,
                passed_on_to=self.host,
                who="the proxy",
                users=tuple(config["network.users"]),
            )
        return reach(self.who, self.host, self.target.port, config, cloud=self.consent)

    def locality(self, reached: Reach) -> Locality:
        """Where an answer was computed that came from the address in `reached`."""
        zone = reached.zone
        if zone is Zone.DEVICE:
            return Locality(
                zone,
                f"a server of yours at {self.target.address} on this machine{reached.run_by()}:"
                " what it does with a prompt is its own",
                machine=os.uname().nodename,
            )
        where = "on the local network" if zone is Zone.LAN else "over the internet"
        return Locality(
            zone, f"{self.target.address} answered {where}", machine=self.host, network_denied=False
        )

    def _is_named_in_lan(self, config: Config) -> bool:
        return self.host.lower() in [host.lower() for host in config["network.lan"]]

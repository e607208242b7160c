"""Permissions to leave the machine that are open at this moment, and which one covers an address.

A grant names a host. The addresses it covers are those that the host was resolved to while the
grant was open, or the host itself where it is an address. Pure but for what a grant has learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from localai.privacy.zones import literal_address
from localai.types import EgressRecord, Purpose, Zone


@dataclass(frozen=True, slots=True, eq=False)
class Grant:
    """One host, one purpose, and the farthest zone that its addresses may lie in.

    `host` is a name, an address, or `*.example.org` for every name below example.org (content
    delivery networks). `port` None is every port. `learned` maps resolved addresses to names.
    """

    purpose: Purpose
    host: str
    port: int | None
    zone: Zone
    on_connect: Callable[[EgressRecord], None] | None = None
    learned: dict[bytes, str] = field(default_factory=dict)

    def covers_name(self, name: str) -> bool:
        """Whether `name` (as `plain_name` gives it) may be resolved under this grant."""
        own = plain_name(self.host)
        if own.startswith("*."):
            return name.endswith(own[1:])
        return name == own

    def name_of(self, address: bytes) -> str | None:
        """The host that `address` belongs to under this grant; None if it is not covered."""
        if literal_address(self.host) == address:
            return self.host
        return self.learned.get(address)


def plain_name(host: str) -> str:
    """`host` for comparison: lower case, without the root's dot."""
    return host.lower().removesuffix(".")


def learn(grants: Iterable[Grant], name: str, addresses: Iterable[bytes]) -> None:
    """Note what `name` was resolved to in the grants that cover it."""
    plain = plain_name(name)
    found = dict.fromkeys(addresses, name)
    for grant in grants:
        if grant.covers_name(plain):
            grant.learned.update(found)

"""The permissions to leave the machine that are in force, and which one covers an address.

A grant names a host. The addresses it covers are those that the host was resolved to while the
grant was open, or the host itself where it is an address.

They are kept in tuples that are replaced and never changed, and read without a lock: the guard's
hook asks wherever Python code runs, in signal handlers, finalizers and other threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from localai.privacy.zones import literal_address
from localai.types import EgressRecord, Purpose, Zone

EgressSink = Callable[[EgressRecord], None]

_lock = threading.Lock()
_open: tuple[Grant, ...] = ()
_lan: tuple[Grant, ...] = ()


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
    on_connect: EgressSink | None = None
    learned: dict[bytes, str] = field(default_factory=dict)

    def covers_name(self, name: str) -> bool:
        """Whether `name` may be resolved under this grant."""
        own, asked = plain_name(self.host), plain_name(name)
        return asked.endswith(own[1:]) if own.startswith("*.") else asked == own

    def name_of(self, address: bytes) -> str | None:
        """The host that `address` belongs to under this grant; None if it is not covered."""
        if literal_address(self.host) == address:
            return self.host
        return self.learned.get(address)


def add(grant: Grant) -> None:
    """Put `grant` in force."""
    global _open
    with _lock:
        _open = (*_open, grant)


def remove(grant: Grant) -> None:
    """Take `grant`, and what was learned under it, out of force."""
    global _open
    with _lock:
        _open = tuple(other for other in _open if other is not grant)


def set_lan(hosts: Iterable[str]) -> None:
    """Put grants for the local network's `hosts` in force, in place of those before."""
    global _lan
    _lan = tuple(Grant(Purpose.INFERENCE, host, None, Zone.LAN) for host in hosts)


def downloading() -> bool:
    """Whether a download is granted at this moment."""
    return any(each.purpose is Purpose.DOWNLOAD for each in _open)


def cover_name(name: str) -> bool:
    """Whether some grant permits resolving `name`."""
    return any(each.covers_name(name) for each in (*_open, *_lan))


def covering(address: bytes, port: int | None = None) -> tuple[Grant, str] | None:
    """The grant for `address` and the host it was resolved from; None if there is none.

    `port` None asks for the address alone.
    """
    for each in (*_open, *_lan):
        name = each.name_of(address)
        if name is not None and (port is None or each.port in (None, port)):
            return each, name
    return None


def learn(name: str, addresses: Iterable[bytes]) -> None:
    """Note what `name` was resolved to in the grants that cover it."""
    found = dict.fromkeys(addresses, name)
    for each in (*_open, *_lan):
        if each.covers_name(name):
            each.learned.update(found)


def plain_name(host: str) -> str:
    """`host` for comparison: lower case, without the root's dot."""
    return host.lower().removesuffix(".")

"""The grants, which are permissions to leave the machine, and the search for the grant that covers
an address.

A grant names a host. It covers the addresses that the host resolved to while the grant was open, or
the host itself if the host is an address.

A grant holds in one scope. A command is one scope, which all its threads share. A server opens a
scope for each request, so that no request uses another's permission: a scope begins without grants,
and its grants hold nowhere else. The scope is a ContextVar, so a thread that works for a request
must be handed the request's scope (`in_scope`). Grants for the local network's hosts in the user's
configuration hold in every scope.

Grants are kept in tuples that are replaced and never changed. Reading them takes no lock, because
the guard's hook reads them wherever Python code runs: in signal handlers, finalizers and threads.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import field
from typing import Final, ParamSpec, TypeVar

from localai.dataclass import dataclass
from localai.errors import PolicyRefused
from localai.privacy.zones import literal_address
from localai.types import EgressRecord, Purpose, Zone

EgressSink = Callable[[EgressRecord], None]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_lock = threading.Lock()
_lan: tuple[Grant, ...] = ()
_downloads = 0


@dataclass(frozen=True, slots=True, eq=False)
class Grant:
    """A permission to connect to one host for one purpose.

    `host` is a name, an address, or `*.example.org` for every name below example.org (content
    delivery networks). `port` None is every port. `zone` is the farthest zone that the host's
    addresses may lie in, `nearest` the nearest zone that a name may resolve to. `on_connect` is
    called before each connection. `learned` maps resolved addresses to names.
    """

    purpose: Purpose
    host: str
    port: int | None
    zone: Zone
    on_connect: EgressSink | None = None
    nearest: Zone = Zone.DEVICE
    learned: dict[bytes, str] = field(default_factory=dict)

    def covers_name(self, name: str) -> bool:
        """Whether `name` may be resolved under this grant."""
        own, asked = plain_name(self.host), plain_name(name)
        return asked.endswith(own[1:]) if own.startswith("*.") else asked == own

    def name_of(self, address: bytes) -> str | None:
        """The host that `address` belongs to; None if this grant does not cover `address`."""
        if literal_address(self.host) == address:
            return self.host
        return self.learned.get(address)


class Scope:
    """The grants of one command or one request, and the last refusal that it met."""

    __slots__ = ("grants", "last_refusal")

    def __init__(self) -> None:
        self.grants: tuple[Grant, ...] = ()
        self.last_refusal: PolicyRefused | None = None


_of_process: Final = Scope()
_scope: ContextVar[Scope] = ContextVar("localai_privacy_scope", default=_of_process)


def scope() -> Scope:
    """The scope of the calling code."""
    return _scope.get()


@contextlib.contextmanager
def new_scope() -> Iterator[None]:
    """Run the block in a scope of its own, which begins without grants."""
    token = _scope.set(Scope())
    try:
        yield
    finally:
        _scope.reset(token)


def in_scope(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """`function` wrapped for another thread: it runs in the scope of the code that called
    `in_scope`."""
    handed = _scope.get()

    def with_scope(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        token = _scope.set(handed)
        try:
            return function(*arguments, **named)
        finally:
            _scope.reset(token)

    return with_scope


def add(grant: Grant) -> Scope:
    """Put `grant` in force in the scope of the calling code. Return that scope."""
    global _downloads
    here = _scope.get()
    with _lock:
        here.grants = (*here.grants, grant)
        _downloads += grant.purpose is Purpose.DOWNLOAD
    return here


def remove(grant: Grant, of: Scope) -> None:
    """End `grant` in the scope `of`, with the addresses that were learned under it."""
    global _downloads
    with _lock:
        of.grants = tuple(other for other in of.grants if other is not grant)
        _downloads -= grant.purpose is Purpose.DOWNLOAD


def set_lan(hosts: Iterable[str]) -> None:
    """Put grants for the local network's `hosts` in force. They replace earlier ones."""
    global _lan
    _lan = tuple(Grant(Purpose.INFERENCE, host, None, Zone.LAN) for host in hosts)


def downloading() -> bool:
    """Whether any scope has a grant for a download. The scopes are not told apart, because the
    hubs' offline modes are settings of the whole process."""
    return _downloads > 0


def cover_name(name: str) -> bool:
    """Whether some grant permits resolving `name`."""
    return any(grant.covers_name(name) for grant in _in_force())


def covering(address: bytes, port: int | None = None) -> tuple[Grant, str] | None:
    """The grant that covers `address`, and the host that it was resolved from; None if no grant
    covers it. With `port` None, grants for any port count."""
    for grant in _in_force():
        name = grant.name_of(address)
        if name is not None and (port is None or grant.port in (None, port)):
            return grant, name
    return None


def nearest_zone(name: str) -> Zone:
    """The nearest zone that `name` may resolve to, by the strictest grant that covers it."""
    nearest = (grant.nearest for grant in _in_force() if grant.covers_name(name))
    return max(nearest, default=Zone.DEVICE)


def learn(name: str, addresses: Iterable[bytes]) -> None:
    """Note the addresses to which `name` was resolved, in the grants that cover it."""
    names = dict.fromkeys(addresses, name)
    for grant in _in_force():
        if grant.covers_name(name):
            grant.learned.update(names)


def _in_force() -> tuple[Grant, ...]:
    return (*_scope.get().grants, *_lan)


def plain_name(host: str) -> str:
    """`host` as it is compared: in lower case, without the final dot of the DNS root."""
    return host.lower().removesuffix(".")

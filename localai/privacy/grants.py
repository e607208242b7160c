"""The permissions to leave the machine that are in force, and which one covers an address.

A grant names a host. The addresses it covers are those that the host was resolved to while the
grant was open, or the host itself where it is an address.

Grants are in force in a scope. A command is one scope, which all its threads share. A server opens
a scope for each request, so that no request borrows another's permission: a scope begins without
grants, and what is granted in it holds nowhere else. It is a ContextVar, so a thread that works
for a request must be handed its scope (`in_scope`). The hosts of the local network that the user's
configuration names hold in every scope.

They are kept in tuples that are replaced and never changed, and read without a lock: the guard's
hook asks wherever Python code runs, in signal handlers, finalizers and other threads.
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
    """One host, one purpose, and the farthest zone that its addresses may lie in.

    `host` is a name, an address, or `*.example.org` for every name below example.org (content
    delivery networks). `port` None is every port. `nearest` is the nearest zone that a name may
    resolve to. `learned` maps resolved addresses to names.
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
        """The host that `address` belongs to under this grant; None if it is not covered."""
        if literal_address(self.host) == address:
            return self.host
        return self.learned.get(address)


class Scope:
    """The grants of one command or one request, and the last refusal in it."""

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
    """`function`, for another thread: it is called in the scope of the code that called
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
    """Put `grant` in force in the scope of the calling code, which is returned."""
    global _downloads
    here = _scope.get()
    with _lock:
        here.grants = (*here.grants, grant)
        _downloads += grant.purpose is Purpose.DOWNLOAD
    return here


def remove(grant: Grant, of: Scope) -> None:
    """End `grant`, with the addresses that were learned under it, in the scope `of`."""
    global _downloads
    with _lock:
        of.grants = tuple(other for other in of.grants if other is not grant)
        _downloads -= grant.purpose is Purpose.DOWNLOAD


def set_lan(hosts: Iterable[str]) -> None:
    """Put grants for the local network's `hosts` in force; they replace earlier ones."""
    global _lan
    _lan = tuple(Grant(Purpose.INFERENCE, host, None, Zone.LAN) for host in hosts)


def downloading() -> bool:
    """Whether a download is granted at this moment, in any scope: the hubs' offline modes are
    settings of the whole process."""
    return _downloads > 0


def cover_name(name: str) -> bool:
    """Whether some grant permits resolving `name`."""
    return any(each.covers_name(name) for each in _in_force())


def covering(address: bytes, port: int | None = None) -> tuple[Grant, str] | None:
    """The grant for `address` and the host it was resolved from; None if there is none.

    With `port` None, only the address is judged.
    """
    for each in _in_force():
        name = each.name_of(address)
        if name is not None and (port is None or each.port in (None, port)):
            return each, name
    return None


def nearest_zone(name: str) -> Zone:
    """The nearest zone that `name` may resolve to, by the strictest grant that covers it."""
    return max((g.nearest for g in _in_force() if g.covers_name(name)), default=Zone.DEVICE)


def learn(name: str, addresses: Iterable[bytes]) -> None:
    """Note the addresses to which `name` was resolved, in the grants that cover it."""
    found = dict.fromkeys(addresses, name)
    for each in _in_force():
        if each.covers_name(name):
            each.learned.update(found)


def _in_force() -> tuple[Grant, ...]:
    return (*_scope.get().grants, *_lan)


def plain_name(host: str) -> str:
    """`host` in the form for comparison: lower case, without the root's dot."""
    return host.lower().removesuffix(".")

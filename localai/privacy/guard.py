"""The guard: no Python code in this process reaches another machine unless a grant is open.

`install` is the first thing that `main()` does. It sets an audit hook, which sees every Python
library in the process and cannot be removed. `policy` decides what the hook permits; `gaps` covers
what CPython's audit events miss.

The guard does not see native code that calls the system itself; `sandbox` denies that code the
network. The guard protects against what libraries do by habit or by accident. It does not protect
against code in the same process that sets out to cheat (ctypes). See docs/concepts/privacy.md.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from localai.errors import PolicyRefused
from localai.privacy import environment, gaps, grants, policy
from localai.privacy.grants import EgressSink, Grant
from localai.privacy.grants import in_scope as in_scope
from localai.privacy.grants import new_scope as new_scope
from localai.types import Purpose, Zone

_lock = threading.Lock()
_installed = False


def install(*, keep_proxy: bool = False) -> None:
    """Put the guard in place for the rest of this process. A second call does nothing.

    The call also opts out of telemetry and takes proxies out of os.environ. `keep_proxy` leaves the
    proxies, because the user has configured one.
    """
    global _installed
    with _lock:
        if _installed:
            return
        _installed = True
    environment.quieten(keep_proxy=keep_proxy)
    gaps.close()
    sys.addaudithook(_hook)


# Bound as a default: at the interpreter's end the module's globals go before the hook does.
def _hook(
    event: str,
    arguments: tuple[Any, ...],
    _judge_of: Callable[[str], Callable[..., None] | None] = policy.JUDGES.get,
) -> None:
    judge = _judge_of(event)
    if judge is not None:
        judge(*arguments)


@contextlib.contextmanager
def grant(
    purpose: Purpose,
    host: str,
    port: int | None = None,
    *,
    zone: Zone,
    nearest: Zone = Zone.DEVICE,
    on_connect: EgressSink | None = None,
) -> Iterator[None]:
    """Permit connections to `host` for `purpose` while the context is open, in this scope.

    A command is one scope with all its threads; a server's request gets its own by `new_scope`.

    `host` is a name, an address, or `*.example.org`; `port` None is every port. `zone` is the
    farthest zone that the host's addresses may lie in, and `nearest` the nearest: a name that was
    judged to be far away must not lead into this machine or its network (DNS rebinding).
    `on_connect` is called before each connection, after the ledger; if it raises, the connection is
    not made. A grant for a DOWNLOAD lifts the hubs' offline modes while it is open. huggingface_hub
    reads these modes when it is imported, so import it inside the context.
    """
    opened = Grant(purpose, host, port, zone, on_connect, nearest)
    scope = grants.add(opened)
    _follow_downloads()
    try:
        yield
    finally:
        grants.remove(opened, scope)
        _follow_downloads()


def allow_lan(hosts: Iterable[str]) -> None:
    """Permit the hosts of the local network that the user's configuration names.

    They replace the hosts of an earlier call. A host whose address lies outside the local network
    stays refused.
    """
    grants.set_lan(hosts)


def record_egress(command: str, sink: EgressSink) -> None:
    """Have `sink` called with each permitted connection off the machine, before it is made.

    The records name `command`. If the sink raises, the connection is not made: a connection that
    cannot be entered in the ledger does not happen.
    """
    policy.report_to(command, sink)


@contextlib.contextmanager
def passed_on_to(host: str, purpose: Purpose = Purpose.INFERENCE) -> Iterator[None]:
    """Enter this thread's connections as departures to `host` while the context is open.

    This is for connections to servers that pass on what they receive: a proxy, or a server on this
    machine that asks another one. The ledger then names `host`, with the address and port of the
    connection, even if these belong to this machine.
    """
    before = policy.of_thread.passed_on
    policy.of_thread.passed_on = (host, purpose)
    try:
        yield
    finally:
        policy.of_thread.passed_on = before


@contextlib.contextmanager
def child(reason: str) -> Iterator[None]:
    """Let this thread start programs while the context is open.

    `reason` is for the reader of the calling code and is not used. The child has no guard: give it
    `child_environment()`, or the kernel's denial.
    """
    policy.of_thread.children_allowed += 1
    try:
        yield
    finally:
        policy.of_thread.children_allowed -= 1


def record_departure(host: str, address: str, port: int) -> None:
    """Enter in the ledger a prompt that went to `host` through `address`, after it went there.

    This is for destinations that are known only afterwards. Raises what the ledger's sink raises.
    """
    policy.enter(Purpose.INFERENCE, host, address, port)


def last_refusal() -> PolicyRefused | None:
    """The last look-up or connection that was refused in this scope; None if none was.

    Libraries wrap or swallow exceptions, so a command that failed for lack of a connection finds
    the true reason here. Refused programs are not kept, because libraries often try to start one
    without needing it.
    """
    return grants.scope().last_refusal


def _follow_downloads() -> None:
    with _lock:
        if _installed:
            environment.set_offline(not grants.downloading())

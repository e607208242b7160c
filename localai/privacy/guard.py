"""The guard: no Python code in this process reaches another machine unless a grant is open.

`install` is the first thing that `main()` does. It sets an audit hook, which sees every Python
library in the process and cannot be removed. The rules:

- **Names.** Resolving one tells a resolver, so only `localhost` and granted hosts may be.
  Numeric addresses need no resolver and are judged when they are connected to.
- **Connections** (connect, sendto, sendmsg). This machine: always. Elsewhere: only an address that
  a granted host was resolved to, in the grant's zone or nearer, on the grant's port.
- **Listening** (bind). Loopback and Unix sockets only; `0.0.0.0` would be open to the network.
- **Programs.** A child carries no hook, so none starts outside `child(...)`: Popen, os.system,
  exec, posix_spawn, multiprocessing's spawn. `os.fork` is free: the hook is in the copy as well,
  and an exec in it is judged. A sub-interpreter would carry no hook, so none is made.

What it cannot see is native code that calls the system itself: that is `sandbox`'s subject. It
is made against what libraries do by habit or by accident; code that sets out to cheat from
within the same process (ctypes) is not held by it. docs/concepts/privacy.md says more.

The hook reads tuples that are replaced and never changed, and takes no lock, because it runs
wherever Python code runs: in signal handlers, finalizers, other threads.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, NoReturn

from localai.errors import PolicyRefused
from localai.privacy import environment
from localai.privacy.environment import child_environment as child_environment
from localai.privacy.grants import Grant, learn, plain_name
from localai.privacy.zones import (
    literal_address,
    zone_of_address,
    zone_of_family,
)
from localai.types import EgressRecord, Purpose, Zone

EgressSink = Callable[[EgressRecord], None]

# The line that allows what was refused, by the end of the host's name.
_HINTS = (
    (("openai.com",), "localai config set cloud.allow openai"),
    (("anthropic.com",), "localai config set cloud.allow anthropic"),
    (("ollama.com",), "localai config set cloud.allow ollama"),
    (
        ("huggingface.co", "hf.co", "ollama.ai"),
        "downloads happen in `localai pull MODEL` and `localai setup` only",
    ),
)
_TRACKER = b"from multiprocessing.resource_tracker import main"

# The two whose names /etc/hosts knows; of 127.0.0.2 libc would ask the resolver.
_NAMED_IN_HOSTS = frozenset({literal_address("127.0.0.1"), literal_address("::1")})

_lock = threading.Lock()
_installed = False
_open: tuple[Grant, ...] = ()
_lan: tuple[Grant, ...] = ()
_command = ""
_sink: EgressSink | None = None
_last_refusal: PolicyRefused | None = None


class _ThreadState(threading.local):
    children_allowed = 0
    reporting = False


_thread = _ThreadState()


class ProgramRefused(PolicyRefused, PermissionError):
    """A program was about to be started outside `child(...)`.

    It is a PermissionError too: libraries that only wanted to know something (`uname -p`,
    `lsb_release`) are prepared for a program that cannot be run and go on without it.
    """


def install(*, keep_proxy: bool = False) -> None:
    """Put the guard in place for the rest of this process. A second call does nothing.

    Telemetry is opted out of and proxies are taken out of os.environ, unless the user has
    configured one (`keep_proxy`).
    """
    global _installed
    with _lock:
        if _installed:
            return
        _installed = True
    environment.quieten(keep_proxy=keep_proxy)
    _record_resolutions()
    _resolve_before_connecting()
    _judge_multiprocessing()
    sys.addaudithook(_hook)


@contextlib.contextmanager
def grant(
    purpose: Purpose,
    host: str,
    port: int | None = None,
    *,
    zone: Zone,
    on_connect: EgressSink | None = None,
) -> Iterator[None]:
    """Permit connections to `host` for `purpose` while the context is open, in all threads.

    `host` is a name, an address, or `*.example.org`; `port` None is every port; `zone` is the
    farthest zone that the host's addresses may lie in. `on_connect` is called with each
    connection before it is made, after the ledger; if it raises, the connection is not made.
    A DOWNLOAD lifts the hubs' offline modes meanwhile. (huggingface_hub reads them when it is
    imported: import it inside.)
    """
    global _open
    opened = Grant(purpose, host, port, zone, on_connect)
    with _lock:
        _open = (*_open, opened)
        _follow_downloads()
    try:
        yield
    finally:
        with _lock:
            _open = tuple(other for other in _open if other is not opened)
            _follow_downloads()


def allow_lan(hosts: Iterable[str]) -> None:
    """Permit the hosts of the local network that the user's configuration names.

    Replaces what was permitted before. A host whose address lies outside stays refused.
    """
    global _lan
    _lan = tuple(Grant(Purpose.INFERENCE, host, None, Zone.LAN) for host in hosts)


def record_egress(command: str, sink: EgressSink) -> None:
    """Have `sink` called with every permitted connection off the machine, before it is made.

    `command` is what the entries will say. If the sink raises, the connection is not made: what
    cannot be entered in the ledger does not happen.
    """
    global _command, _sink
    _command, _sink = command, sink


@contextlib.contextmanager
def child(reason: str) -> Iterator[None]:
    """Let this thread start programs while the context is open.

    `reason` is for the reader of the calling code. The child carries no guard: give it
    `child_environment()`, or the kernel's denial.
    """
    _thread.children_allowed += 1
    try:
        yield
    finally:
        _thread.children_allowed -= 1


def last_refusal() -> PolicyRefused | None:
    """The last look-up or connection refused in this process; None if there was none.

    Libraries wrap or swallow exceptions; a command that failed for want of a connection finds
    the true reason here. Refused programs are not kept: they are often asked for idly.
    """
    return _last_refusal


# What the hook asks


def _judge_lookup(host: Any, *_: Any) -> None:
    name = _text(host)
    if name and literal_address(name) is None:
        _judge_name(name)


def _judge_reverse_lookup(host: Any) -> None:
    name = _text(host[0] if isinstance(host, tuple) else host)
    address = literal_address(name)
    if address is None:
        _judge_name(name)
    elif address not in _NAMED_IN_HOSTS and _covering(address, None) is None:
        _refuse(f"look up the name of {name}", name, zone_of_address(address))


def _judge_name(name: str) -> None:
    plain = plain_name(name)
    if plain == "localhost" or any(each.covers_name(plain) for each in (*_open, *_lan)):
        return
    _refuse(f"look up {name}", name, None)


def _judge_destination(sock: socket.socket, address: Any) -> None:
    if address is None:  # sendmsg on a connected socket
        return
    zone = zone_of_family(sock.family)
    if zone is Zone.DEVICE:
        return
    if zone is not None:
        _refuse(f"use a socket of the family {sock.family!r}", "", zone)
    host, port = _numeric_host(address), address[1]
    packed = literal_address(host)
    if packed is None:
        # Only `_socket` itself, below our resolving methods, still carries a name here.
        _refuse(f"connect to {host} port {port}", host, None)
    zone = zone_of_address(packed)
    if zone is not Zone.DEVICE:
        # 3325256713 is an address as well; say it as people do.
        shown = host if ":" in host else socket.inet_ntoa(packed)
        _judge_departure(packed, shown, port, zone)


def _judge_departure(packed: bytes, host: str, port: int, zone: Zone) -> None:
    target = f"connect to {host} port {port}"
    covering = _covering(packed, port)
    if covering is None:
        _refuse(target, host, zone)
    permit, name = covering
    if zone > permit.zone:
        _refuse(f"{target}, which {name} resolves to", name, zone)
    if _thread.reporting:
        _refuse(f"{target} while a connection is entered in the ledger", host, zone)
    record = EgressRecord(time.time(), _command, permit.purpose, name, host, port)
    _thread.reporting = True
    try:
        for sink in (_sink, permit.on_connect):
            if sink is not None:
                sink(record)
    finally:
        _thread.reporting = False


def _judge_listening(sock: socket.socket, address: Any) -> None:
    zone = zone_of_family(sock.family)
    if zone is Zone.DEVICE:
        return
    if zone is None:
        host = _numeric_host(address)
        packed = literal_address(host)
        if packed is not None and any(packed) and zone_of_address(packed) is Zone.DEVICE:
            return
        _refuse(f"listen on {host} port {address[1]}", "", Zone.LAN)
    _refuse(f"bind a socket of the family {sock.family!r}", "", zone)


def _judge_program(program: Any, *_: Any) -> None:
    _judge_start(_text(program))


def _judge_arguments(arguments: Any, *_: Any) -> None:
    _judge_start(_text(arguments[0]) if arguments else "")


def _judge_shell(command: Any) -> None:
    # The first word names the program; the rest may hold what a message should not show.
    _judge_start(_text(command).partition(" ")[0])


def _judge_popen(executable: Any, arguments: Any, *_: Any) -> None:
    words = [arguments] if isinstance(arguments, str | bytes | os.PathLike) else list(arguments)
    if len(words) > 2 and words[0] == "/bin/sh" and words[1] == "-c":
        _judge_shell(words[2])
    else:
        _judge_start(_text(executable if executable is not None else words[0]))


def _judge_start(program: str) -> None:
    if _thread.children_allowed:
        return
    raise ProgramRefused(
        f"refused by the privacy policy: start the program {program!r}",
        hint="a program is not under localai's guard: run it yourself, in a shell, if you want it",
    )


def _judge_interpreter(*_: Any) -> None:
    raise ProgramRefused(
        "refused by the privacy policy: start a sub-interpreter, which no guard would see"
    )


_JUDGES: dict[str, Callable[..., None]] = {
    "socket.getaddrinfo": _judge_lookup,
    "socket.gethostbyname": _judge_lookup,
    "socket.gethostbyaddr": _judge_reverse_lookup,
    "socket.getnameinfo": _judge_reverse_lookup,
    "socket.connect": _judge_destination,
    "socket.sendto": _judge_destination,
    "socket.sendmsg": _judge_destination,
    "socket.bind": _judge_listening,
    "subprocess.Popen": _judge_popen,
    "os.system": _judge_shell,
    "os.exec": _judge_program,
    "os.posix_spawn": _judge_program,
    "pty.spawn": _judge_arguments,
    "cpython.PyInterpreterState_New": _judge_interpreter,
}


# Bound as a default: at the interpreter's end the module's globals go before the hook does.
def _hook(
    event: str,
    arguments: tuple[Any, ...],
    _judge_of: Callable[[str], Callable[..., None] | None] = _JUDGES.get,
) -> None:
    judge = _judge_of(event)
    if judge is not None:
        judge(*arguments)


def _covering(packed: bytes, port: int | None) -> tuple[Grant, str] | None:
    for each in (*_open, *_lan):
        name = each.name_of(packed)
        if name is not None and (port is None or each.port in (None, port)):
            return each, name
    return None


def _refuse(attempt: str, host: str, zone: Zone | None) -> NoReturn:
    global _last_refusal
    where = f" ({zone.label})" if zone is not None else ""
    message = f"refused by the privacy policy: {attempt}{where}"
    hint = _hint(host, zone)
    # Not the one that is raised: its traceback would keep every frame and socket alive.
    _last_refusal = PolicyRefused(message, hint)
    raise PolicyRefused(message, hint)


def _hint(host: str, zone: Zone | None) -> str:
    name = plain_name(host)
    for endings, hint in _HINTS:
        if any(name == ending or name.endswith("." + ending) for ending in endings):
            return hint
    if zone is Zone.LAN and host:
        return f"localai config set network.lan {host}"
    return "localai privacy"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    return str(os.fspath(value) if isinstance(value, os.PathLike) else value)


def _numeric_host(address: Any) -> str:
    """The host of a socket address, in the two spellings that Python gives a meaning."""
    host = _text(address[0])
    return {"": "0.0.0.0", "<broadcast>": "255.255.255.255"}.get(host, host)


def _follow_downloads() -> None:
    if _installed:
        environment.set_offline(all(each.purpose is not Purpose.DOWNLOAD for each in _open))


# What the hook cannot do alone


def _record_resolutions() -> None:
    """Learn what granted hosts resolve to: the audit event comes before the answer is known.

    `socket.getaddrinfo` asks `_socket.getaddrinfo` by name at each call, so replacing that one
    reaches also those who imported the function before.
    """
    import _socket

    original = _socket.getaddrinfo

    @wraps(original)
    def getaddrinfo(host: Any, *arguments: Any, **keywords: Any) -> Any:
        answers = original(host, *arguments, **keywords)
        grants = (*_open, *_lan)
        if grants and host is not None:
            found = (literal_address(str(answer[4][0])) for answer in answers)
            learn(grants, _text(host), (address for address in found if address is not None))
        return answers

    _socket.getaddrinfo = getaddrinfo


def _resolve_before_connecting() -> None:
    """Resolve names given to connect, sendto … through getaddrinfo, where they are judged.

    CPython resolves them itself *before* it raises the audit event: by then the query is out.
    """
    for method, address_at in (
        ("connect", 0),
        ("connect_ex", 0),
        ("bind", 0),
        ("sendto", -1),
        ("sendmsg", 3),
    ):
        _resolve_argument(method, address_at)


def _resolve_argument(method: str, address_at: int) -> None:
    original = getattr(socket.socket, method)

    @wraps(original)
    def resolving(self: socket.socket, *arguments: Any) -> Any:
        if len(arguments) > max(address_at, 0):
            changed = list(arguments)
            changed[address_at] = _resolved(self, arguments[address_at])
            return original(self, *changed)
        return original(self, *arguments)

    setattr(socket.socket, method, resolving)


def _resolved(sock: socket.socket, address: Any) -> Any:
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple):
        return address
    if len(address) < 2 or literal_address(_numeric_host(address)) is not None:
        return address
    answers = socket.getaddrinfo(address[0], address[1], sock.family, sock.type)
    return (answers[0][4][0], *address[1:])


def _judge_multiprocessing() -> None:
    """Judge multiprocessing's `spawn` and `forkserver`, which start Python without an audit event.

    Its resource tracker is let through: it runs fixed code, and tqdm starts it for a lock.
    """
    import _posixsubprocess

    original: Callable[..., int] = _posixsubprocess.fork_exec

    @wraps(original)
    def fork_exec(arguments: Any, *rest: Any) -> int:
        if not any(os.fsencode(each).startswith(_TRACKER) for each in arguments):
            _judge_arguments(arguments)
        return original(arguments, *rest)

    _posixsubprocess.fork_exec = fork_exec

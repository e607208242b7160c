"""The guard's judges: each audit event that leads out of the machine is permitted, or PolicyRefused
is raised.

- **Names.** Resolving a name tells a resolver, so only `localhost` and granted hosts are resolved.
  A numeric address needs no resolver; it is judged when it is connected to.
- **Connections** (connect, sendto, sendmsg). This machine is always permitted. Elsewhere, only an
  address that a granted host resolved to is, in the grant's zone or nearer, on the grant's port.
- **Listening** (bind, listen). Only loopback and Unix sockets are permitted; `0.0.0.0` would be
  open to the network. The kernel binds a datagram socket to `0.0.0.0` if it sends before it is
  bound, so that is judged as well.
- **Options and ancillary data** of an IP socket. Only listed options, which steer no packet, are
  permitted. Other options choose an interface, a source or a route behind the judged address.
- **Programs.** A child has no hook, so no program starts unless this thread is allowed to start
  one: Popen, os.system, exec, posix_spawn, multiprocessing's spawn. `os.fork` is permitted: the
  copy has the hook, and an exec in it is judged. A sub-interpreter would have no hook and is
  refused.

The judges look at copies of exact types (`exact`): a subclass can report one value in Python while
C reads another. Nothing here does I/O, but the ledger's sink is called before a permitted
connection.
"""

from __future__ import annotations

import _socket
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final, NoReturn

from localai.errors import PolicyRefused, ProgramRefused, Remedy
from localai.privacy import grants
from localai.privacy.exact import (
    IP_FAMILIES,
    exact_address,
    family_of,
    needs_binding,
    numeric_host,
    text_of,
)
from localai.privacy.grants import EgressSink, plain_name
from localai.privacy.zones import literal_address, zone_of_address, zone_of_family
from localai.types import EgressRecord, Purpose, Zone

# The remedy for a refusal, by the end of the host's name.
_REMEDIES: tuple[tuple[tuple[str, ...], Remedy], ...] = (
    (("openai.com",), {"command": "localai config set cloud.allow openai"}),
    (("anthropic.com",), {"command": "localai config set cloud.allow anthropic"}),
    (("ollama.com",), {"command": "localai config set cloud.allow ollama"}),
    (
        ("huggingface.co", "hf.co", "ollama.ai"),
        {"hint": "downloads happen in `localai pull MODEL` only"},
    ),
)
SO_TIMESTAMPNS: Final = 35
"""Linux (asm-generic/socket.h): have the kernel say when it received what is read. Python has no
name for it."""
# The options that may be set on an IP socket; None is every option of the level.
_OPTIONS: dict[int, tuple[str | int, ...] | None] = {
    socket.SOL_SOCKET: (
        "SO_BROADCAST",
        "SO_KEEPALIVE",
        "SO_LINGER",
        "SO_OOBINLINE",
        "SO_PRIORITY",
        "SO_RCVBUF",
        "SO_RCVLOWAT",
        "SO_RCVTIMEO",
        "SO_REUSEADDR",
        "SO_REUSEPORT",
        "SO_SNDBUF",
        "SO_SNDLOWAT",
        "SO_SNDTIMEO",
        SO_TIMESTAMPNS,
    ),
    socket.IPPROTO_IP: ("IP_TOS", "IP_TTL", "IP_MULTICAST_TTL", "IP_MULTICAST_LOOP"),
    socket.IPPROTO_IPV6: (
        "IPV6_V6ONLY",
        "IPV6_TCLASS",
        "IPV6_UNICAST_HOPS",
        "IPV6_MULTICAST_HOPS",
        "IPV6_MULTICAST_LOOP",
    ),
    socket.IPPROTO_TCP: None,
    socket.IPPROTO_UDP: None,
}
_PERMITTED_OPTIONS = {
    level: None
    if names is None
    else frozenset(each if isinstance(each, int) else getattr(socket, each, None) for each in names)
    for level, names in _OPTIONS.items()
}
# The two addresses that /etc/hosts has names for; for 127.0.0.2 libc would ask the resolver.
_NAMED_IN_HOSTS = frozenset({literal_address("127.0.0.1"), literal_address("::1")})


class _OfThread(threading.local):
    children_allowed = 0
    reporting = False
    passed_on: tuple[str, Purpose] | None = None


of_thread = _OfThread()
_command = ""
_sink: EgressSink | None = None
_airgap = False


def report_to(command: str, sink: EgressSink) -> None:
    """Have `sink` called before each permitted connection off the machine. The records name
    `command`."""
    global _command, _sink
    _command, _sink = command, sink


def close_air_gap() -> None:
    """Refuse every name but localhost, whatever is granted, for the rest of this process.

    The kernel denies the network to this process only. A resolver behind a Unix socket (nscd,
    systemd-resolved) is another process, still has the network, and would be asked.
    """
    global _airgap
    _airgap = True


def is_air_gapped() -> bool:
    """Whether this command runs under `--airgap`."""
    return _airgap


def judge_lookup(host: Any, *_: Any) -> None:
    """Judge resolving `host`, which may be None, bytes or a literal address."""
    name = text_of(host)
    if name and literal_address(name) is None:
        _judge_name(name)


def judge_answers(name: str, answers: list[Any]) -> list[Any]:
    """The resolver's answers for `name` that lie no nearer than the grants for `name` permit.

    Raises PolicyRefused if all answers lie nearer: then a name that was judged to be elsewhere
    leads into this machine or its network.
    """
    nearest = grants.nearest_zone(name)
    if nearest is Zone.DEVICE:
        return answers
    zones = [zone_of_address(literal_address(str(answer[4][0])) or b"") for answer in answers]
    kept = [answer for answer, zone in zip(answers, zones, strict=True) if zone >= nearest]
    if answers and not kept:
        attempt = f"connect to {name} at {answers[0][4][0]}, for it was judged {nearest.label}"
        _refuse(attempt, "", zones[0])
    return kept


def judge_reverse_lookup(host: Any) -> None:
    """Judge asking for the name of an address or a socket address. A name in its place would be
    resolved, so it is judged as a name."""
    name = text_of(next(tuple.__iter__(host)) if isinstance(host, tuple) else host)
    address = literal_address(name)
    if address is None:
        _judge_name(name)
    elif address not in _NAMED_IN_HOSTS and grants.covering(address) is None:
        _refuse(f"look up the name of {name}", name, zone_of_address(address))


def _judge_name(name: str) -> None:
    # `localhost.` with a dot does not count: /etc/hosts lacks it, so the resolver would be asked.
    # A name with a NUL is refused: C ends the name there and would resolve another one.
    if name.lower() == "localhost":
        return
    if _airgap or "\0" in name or not grants.cover_name(name):
        _refuse(f"look up {name}", name, None)


def judge_destination(sock: socket.socket, address: Any) -> None:
    """Judge connecting `sock`, or sending from it, to `address`; None is the address that the
    socket is already connected to."""
    if address is None:
        return
    family = family_of(sock)
    zone = zone_of_family(family)
    if zone is Zone.DEVICE:
        return
    if zone is not None:
        _refuse(f"use a socket of the family {_family_name(family)}", "", zone)
    host, port = numeric_host(address), exact_address(address)[1]
    packed = literal_address(host)
    if packed is None:
        # Only `_socket` itself still carries a name here: see `gaps`.
        _refuse(f"connect to {host} port {port}", host, None)
    zone = zone_of_address(packed)
    # 3325256713 is an address as well; show it in the usual dotted form.
    shown = host if ":" in host else socket.inet_ntoa(packed)
    if zone is not Zone.DEVICE:
        _judge_departure(packed, shown, port, zone)
    elif of_thread.passed_on is not None and not of_thread.reporting:
        destination, purpose = of_thread.passed_on
        enter(purpose, destination, shown, port)


def _judge_departure(packed: bytes, host: str, port: int, zone: Zone) -> None:
    target = f"connect to {host} port {port}"
    covering = grants.covering(packed, port)
    if covering is None:
        _refuse(target, host, zone)
    grant, name = covering
    if zone > grant.zone:
        _refuse(f"{target}, which {name} resolves to", name, zone)
    if of_thread.reporting:
        _refuse(f"{target} while a connection is entered in the ledger", host, zone)
    if of_thread.passed_on is not None:
        name = of_thread.passed_on[0]
    enter(grant.purpose, name, host, port, grant.on_connect)


def enter(
    purpose: Purpose, host: str, address: str, port: int, on_connect: EgressSink | None = None
) -> None:
    """Enter a departure to `host` in the ledger, then tell `on_connect`. Raises what they raise."""
    record = EgressRecord(time.time(), _command, purpose, host, address, port)
    of_thread.reporting = True
    try:
        for sink in (_sink, on_connect):
            if sink is not None:
                sink(record)
    finally:
        of_thread.reporting = False


def judge_datagram(sock: socket.socket, address: Any) -> None:
    """Judge sending from `sock` to `address` (sendto, sendmsg). An unbound socket is bound by
    sending, so that is judged, too."""
    judge_destination(sock, address)
    if address is not None and needs_binding(sock):
        where = zone_of_address(literal_address(numeric_host(address)) or b"")
        if where is Zone.DEVICE:
            judge_open_port(sock)


def judge_socket(_: Any, family: int, kind: int, *__: Any) -> None:
    """Judge opening a socket. A raw one is refused: its packets carry addresses that nobody
    judges."""
    if family in IP_FAMILIES and kind & 0xF == socket.SOCK_RAW:
        _refuse("open a raw socket", "", Zone.CLOUD)


def judge_listening(sock: socket.socket, address: Any) -> None:
    """Judge binding `sock` to `address`."""
    family = family_of(sock)
    zone = zone_of_family(family)
    if zone is Zone.DEVICE:
        return
    if zone is not None:
        _refuse(f"bind a socket of the family {_family_name(family)}", "", zone)
    host = numeric_host(address)
    packed = literal_address(host)
    everywhere = packed is None or not any(packed)
    if everywhere or zone_of_address(packed or b"") is not Zone.DEVICE:
        _refuse(f"listen on {host} port {exact_address(address)[1]}", "", Zone.LAN)


def judge_open_port(sock: socket.socket) -> None:
    """Judge listening on `sock` at the address that it is bound to. The kernel binds an unbound
    socket to 0.0.0.0."""
    if family_of(sock) in IP_FAMILIES:
        judge_listening(sock, _socket.socket.getsockname(sock))


def judge_option(sock: socket.socket, level: int, option: int) -> None:
    """Judge setting an option of `sock`."""
    if family_of(sock) not in IP_FAMILIES:
        return
    permitted = _PERMITTED_OPTIONS.get(level, frozenset())
    if permitted is not None and option not in permitted:
        _refuse(
            f"set the socket option {option} of level {level}, which may steer packets", "", None
        )


def judge_ancillary(sock: socket.socket, data: list[Any]) -> None:
    """Judge sending ancillary `data` with a message."""
    if data and family_of(sock) in IP_FAMILIES:
        _refuse("send ancillary data, which may steer packets", "", None)


def judge_program(program: Any, *_: Any) -> None:
    """Judge starting the program at a path."""
    _judge_start(text_of(program))


def judge_arguments(arguments: Any, *_: Any) -> None:
    """Judge starting the program that a list of arguments begins with."""
    _judge_start(text_of(arguments[0]) if arguments else "")


def judge_shell(command: Any) -> None:
    """Judge giving `command` to a shell."""
    # The first word names the program; the rest may hold secrets, which no message should show.
    _judge_start(text_of(command).partition(" ")[0])


def judge_popen(executable: Any, arguments: Any, *_: Any) -> None:
    """Judge subprocess.Popen. With a shell, the command is the third argument."""
    words = [arguments] if isinstance(arguments, str | bytes | os.PathLike) else list(arguments)
    if len(words) > 2 and words[0] == "/bin/sh" and words[1] == "-c":
        judge_shell(words[2])
    else:
        _judge_start(text_of(executable if executable is not None else words[0]))


def judge_interpreter(*_: Any) -> None:
    """Refuse to make a sub-interpreter."""
    raise ProgramRefused(
        "refused by the privacy policy: start a sub-interpreter, which no guard would see"
    )


def _judge_start(program: str) -> None:
    if of_thread.children_allowed:
        return
    raise ProgramRefused(
        f"refused by the privacy policy: start the program {program!r}",
        hint="a program is not under localai's guard: run it yourself, in a shell, if you want it",
    )


JUDGES: dict[str, Callable[..., None]] = {
    "socket.getaddrinfo": judge_lookup,
    "socket.gethostbyname": judge_lookup,
    "socket.gethostbyaddr": judge_reverse_lookup,
    "socket.getnameinfo": judge_reverse_lookup,
    "socket.connect": judge_destination,
    "socket.sendto": judge_datagram,
    "socket.sendmsg": judge_datagram,
    "socket.__new__": judge_socket,
    "socket.bind": judge_listening,
    "subprocess.Popen": judge_popen,
    "os.system": judge_shell,
    "os.exec": judge_program,
    "os.posix_spawn": judge_program,
    "pty.spawn": judge_arguments,
    "cpython.PyInterpreterState_New": judge_interpreter,
}
"""The judge of each audit event. No event outside this table leads out of the machine."""


def _family_name(family: int) -> str:
    try:
        return socket.AddressFamily(family).name
    except ValueError:
        return str(family)


def _refuse(attempt: str, host: str, zone: Zone | None) -> NoReturn:
    where = f" ({zone.label})" if zone is not None else ""
    message = f"refused by the privacy policy: {attempt}{where}"
    remedy = _remedy(host, zone)
    # A second exception is kept: the traceback of the raised one would keep every frame and socket
    # alive.
    grants.scope().last_refusal = PolicyRefused(message, **remedy)
    raise PolicyRefused(message, **remedy)


def _remedy(host: str, zone: Zone | None) -> Remedy:
    if _airgap:
        return {"hint": "under --airgap a command has no network at all: run it without"}
    name = plain_name(host)
    for endings, remedy in _REMEDIES:
        if any(name == ending or name.endswith("." + ending) for ending in endings):
            return remedy
    if zone is Zone.LAN and host:
        return {"command": f"localai config set network.lan {host}"}
    return {"command": "localai privacy"}

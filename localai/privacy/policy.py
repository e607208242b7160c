"""What the guard's hook asks at each audit event: may this be done? If not, PolicyRefused.

- **Names.** Resolving one tells a resolver, so only `localhost` and granted hosts may be.
  Numeric addresses need no resolver and are judged when they are connected to.
- **Connections** (connect, sendto, sendmsg). This machine: always. Elsewhere: only an address that
  a granted host was resolved to, in the grant's zone or nearer, on the grant's port.
- **Listening** (bind). Loopback and Unix sockets only; `0.0.0.0` would be open to the network.
- **Programs.** A child carries no hook, so none starts unless this thread may: Popen, os.system,
  exec, posix_spawn, multiprocessing's spawn. `os.fork` is free: the hook is in the copy as well,
  and an exec in it is judged. A sub-interpreter would carry no hook, so none is made.

Nothing here does I/O, except that the ledger's sink is called before a permitted connection.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from localai.errors import PolicyRefused, ProgramRefused, Remedy
from localai.privacy import grants
from localai.privacy.grants import EgressSink, plain_name
from localai.privacy.zones import literal_address, zone_of_address, zone_of_family
from localai.types import EgressRecord, Zone

# What allows that which was refused, by the end of the host's name.
_REMEDIES: tuple[tuple[tuple[str, ...], Remedy], ...] = (
    (("openai.com",), {"command": "localai config set cloud.allow openai"}),
    (("anthropic.com",), {"command": "localai config set cloud.allow anthropic"}),
    (("ollama.com",), {"command": "localai config set cloud.allow ollama"}),
    (
        ("huggingface.co", "hf.co", "ollama.ai"),
        {"hint": "downloads happen in `localai pull MODEL` only"},
    ),
)
# The two whose names /etc/hosts knows; of 127.0.0.2 libc would ask the resolver.
_NAMED_IN_HOSTS = frozenset({literal_address("127.0.0.1"), literal_address("::1")})


class _OfThread(threading.local):
    children_allowed = 0
    reporting = False


of_thread = _OfThread()
_command = ""
_sink: EgressSink | None = None


def report_to(command: str, sink: EgressSink) -> None:
    """Have `sink` called before each permitted connection off the machine, as of `command`."""
    global _command, _sink
    _command, _sink = command, sink


def judge_lookup(host: Any, *_: Any) -> None:
    """Resolving `host`, which may be None, bytes or a literal address."""
    name = _text(host)
    if name and literal_address(name) is None:
        _judge_name(name)


def judge_reverse_lookup(host: Any) -> None:
    """Asking for the name of an address (or of a socket address); names are resolved by it too."""
    name = _text(host[0] if isinstance(host, tuple) else host)
    address = literal_address(name)
    if address is None:
        _judge_name(name)
    elif address not in _NAMED_IN_HOSTS and grants.covering(address) is None:
        _refuse(f"look up the name of {name}", name, zone_of_address(address))


def _judge_name(name: str) -> None:
    if plain_name(name) != "localhost" and not grants.cover_name(name):
        _refuse(f"look up {name}", name, None)


def judge_destination(sock: socket.socket, address: Any) -> None:
    """Connecting `sock` or sending from it to `address`; None is where it is connected to."""
    if address is None:
        return
    zone = zone_of_family(sock.family)
    if zone is Zone.DEVICE:
        return
    if zone is not None:
        _refuse(f"use a socket of the family {sock.family!r}", "", zone)
    host, port = numeric_host(address), address[1]
    packed = literal_address(host)
    if packed is None:
        # Only `_socket` itself still carries a name here: see `gaps`.
        _refuse(f"connect to {host} port {port}", host, None)
    zone = zone_of_address(packed)
    if zone is not Zone.DEVICE:
        # 3325256713 is an address as well; say it as people do.
        shown = host if ":" in host else socket.inet_ntoa(packed)
        _judge_departure(packed, shown, port, zone)


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
    record = EgressRecord(time.time(), _command, grant.purpose, name, host, port)
    of_thread.reporting = True
    try:
        for sink in (_sink, grant.on_connect):
            if sink is not None:
                sink(record)
    finally:
        of_thread.reporting = False


def judge_listening(sock: socket.socket, address: Any) -> None:
    """Binding `sock` to `address`."""
    zone = zone_of_family(sock.family)
    if zone is Zone.DEVICE:
        return
    if zone is not None:
        _refuse(f"bind a socket of the family {sock.family!r}", "", zone)
    host = numeric_host(address)
    packed = literal_address(host)
    everywhere = packed is None or not any(packed)
    if everywhere or zone_of_address(packed or b"") is not Zone.DEVICE:
        _refuse(f"listen on {host} port {address[1]}", "", Zone.LAN)


def judge_program(program: Any, *_: Any) -> None:
    """Starting the program at a path."""
    _judge_start(_text(program))


def judge_arguments(arguments: Any, *_: Any) -> None:
    """Starting the program that a list of arguments begins with."""
    _judge_start(_text(arguments[0]) if arguments else "")


def judge_shell(command: Any) -> None:
    """Giving `command` to a shell."""
    # The first word names the program; the rest may hold what a message should not show.
    _judge_start(_text(command).partition(" ")[0])


def judge_popen(executable: Any, arguments: Any, *_: Any) -> None:
    """subprocess.Popen, whose shell has the command as its third argument."""
    words = [arguments] if isinstance(arguments, str | bytes | os.PathLike) else list(arguments)
    if len(words) > 2 and words[0] == "/bin/sh" and words[1] == "-c":
        judge_shell(words[2])
    else:
        _judge_start(_text(executable if executable is not None else words[0]))


def judge_interpreter(*_: Any) -> None:
    """Making a sub-interpreter."""
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
    "socket.sendto": judge_destination,
    "socket.sendmsg": judge_destination,
    "socket.bind": judge_listening,
    "subprocess.Popen": judge_popen,
    "os.system": judge_shell,
    "os.exec": judge_program,
    "os.posix_spawn": judge_program,
    "pty.spawn": judge_arguments,
    "cpython.PyInterpreterState_New": judge_interpreter,
}
"""The judge of each audit event; events that are not here are nobody's way out."""


def numeric_host(address: Any) -> str:
    """The host of a socket address, with the two spellings that Python gives a meaning."""
    host = _text(address[0])
    return {"": "0.0.0.0", "<broadcast>": "255.255.255.255"}.get(host, host)


def _refuse(attempt: str, host: str, zone: Zone | None) -> NoReturn:
    where = f" ({zone.label})" if zone is not None else ""
    message = f"refused by the privacy policy: {attempt}{where}"
    remedy = _remedy(host, zone)
    # Not the one that is raised: its traceback would keep every frame and socket alive.
    grants.scope().last_refusal = PolicyRefused(message, **remedy)
    raise PolicyRefused(message, **remedy)


def _remedy(host: str, zone: Zone | None) -> Remedy:
    name = plain_name(host)
    for endings, remedy in _REMEDIES:
        if any(name == ending or name.endswith("." + ending) for ending in endings):
            return remedy
    if zone is Zone.LAN and host:
        return {"command": f"localai config set network.lan {host}"}
    return {"command": "localai privacy"}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    return str(os.fspath(value) if isinstance(value, os.PathLike) else value)

"""Replacements for the functions of CPython with which code could get past an audit hook.

Code that wants to can put the original functions back. Then these gaps are open again, and no
others, because the hook itself stays.
"""

from __future__ import annotations

import _socket
import os
import socket
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from localai.patterns import lazy_pattern
from localai.privacy import exact, grants, policy
from localai.privacy.zones import literal_address, zone_of_address
from localai.types import Zone

_TRACKER = lazy_pattern(rb"from multiprocessing\.resource_tracker import main;main\(\d+\)")


def close() -> None:
    """Close the gaps: replace the functions for the rest of this process."""
    _learn_resolutions()
    # The position of the address among the arguments; for sendto, flags may stand before it.
    for method, position in (("connect", 0), ("connect_ex", 0), ("bind", 0), ("sendto", -1)):
        _resolve_first(method, position)
    _judge_messages()
    _judge_before("listen", lambda sock, *_: policy.judge_open_port(sock))
    _judge_before(
        "setsockopt",
        lambda sock, level, option, *_: policy.judge_option(
            sock, int.__index__(level), int.__index__(option)
        ),
    )
    _judge_multiprocessing()


def _learn_resolutions() -> None:
    """Judge and note the addresses that granted hosts resolve to. The audit event comes too early
    for that: it is raised before the resolver answers.

    `socket.getaddrinfo` looks `_socket.getaddrinfo` up by name at each call. The replacement
    therefore also reaches modules that imported `socket.getaddrinfo` earlier.
    """
    original = _socket.getaddrinfo

    @wraps(original)
    def getaddrinfo(host: Any, *arguments: Any, **keywords: Any) -> Any:
        host = exact.exact_text(host)
        # A text goes through IDNA, whose tables are imported in 1.5 ms; an address needs none.
        is_address = isinstance(host, str) and literal_address(host) is not None
        wanted = host.encode() if is_address else host
        answers = original(wanted, *arguments, **keywords)
        if host is not None:
            name = host if isinstance(host, str) else host.decode("utf-8", "replace")
            answers = policy.judge_answers(name, answers)
            found = (literal_address(str(answer[4][0])) for answer in answers)
            grants.learn(name, (address for address in found if address is not None))
        return answers

    _socket.getaddrinfo = getaddrinfo


def _resolve_first(method: str, position: int) -> None:
    """Resolve names given to connect, sendto … through getaddrinfo, where they are judged.

    CPython itself resolves such a name *before* it raises the audit event, when the query has
    already been sent.
    """
    original = getattr(socket.socket, method)

    @wraps(original)
    def resolving(self: socket.socket, *arguments: Any) -> Any:
        if len(arguments) > max(position, 0):
            changed = list(arguments)
            changed[position] = _resolved(self, arguments[position])
            if method == "sendto":
                _bind_before_sending(self, changed[position])
            return original(self, *changed)
        return original(self, *arguments)

    setattr(socket.socket, method, resolving)


def _judge_messages() -> None:
    """Judge a message's ancillary data, which the audit event does not carry, and resolve its
    address as `_resolve_first` does."""
    original = socket.socket.sendmsg

    @wraps(original)
    def sendmsg(
        self: socket.socket,
        buffers: Any,
        ancillary: Any = (),
        flags: int = 0,
        address: Any = None,
        /,
    ) -> int:
        data = list(ancillary)
        policy.judge_ancillary(self, data)
        if address is None:
            return original(self, buffers, data, flags)
        resolved = _resolved(self, address)
        _bind_before_sending(self, resolved)
        return original(self, buffers, data, flags, resolved)

    socket.socket.sendmsg = sendmsg  # type: ignore[assignment,method-assign]


def _judge_before(method: str, judge: Callable[..., None]) -> None:
    """Call `judge` before each call of the socket method `method`, which raises no audit event."""
    original = getattr(socket.socket, method)

    @wraps(original)
    def judged(self: socket.socket, *arguments: Any) -> Any:
        judge(self, *arguments)
        return original(self, *arguments)

    setattr(socket.socket, method, judged)


def _resolved(sock: socket.socket, address: Any) -> Any:
    if exact.family_of(sock) not in (socket.AF_INET, socket.AF_INET6):
        return address
    if not isinstance(address, tuple) or tuple.__len__(address) < 2:
        return address
    address = exact.exact_address(address)
    if literal_address(exact.numeric_host(address)) is not None:
        return address
    answers = socket.getaddrinfo(address[0], address[1], exact.family_of(sock), sock.type)
    return (answers[0][4][0], *address[1:])


def _bind_before_sending(sock: socket.socket, address: Any) -> None:
    """Bind a datagram socket to loopback before it sends within this machine. The kernel would
    bind it to every address of the machine."""
    if not isinstance(address, tuple) or not exact.needs_binding(sock):
        return
    host = exact.numeric_host(address)
    packed = literal_address(host)
    if packed is not None and zone_of_address(packed) is Zone.DEVICE:
        source = {4: "127.0.0.1", 16: "::1"}[len(packed)]
        mapped = len(packed) == 4 and exact.family_of(sock) == socket.AF_INET6
        _socket.socket.bind(sock, (f"::ffff:{source}" if mapped else source, 0))


def _judge_multiprocessing() -> None:
    """Judge multiprocessing's `spawn` and `forkserver`, which start Python without an audit event.

    The resource tracker is let through: it runs fixed code, and tqdm starts it for a lock.
    """
    import _posixsubprocess

    original: Callable[..., int] = _posixsubprocess.fork_exec
    python = os.fsencode(sys.executable)

    @wraps(original)
    def fork_exec(arguments: Any, programs: Any, *rest: Any) -> int:
        words = [os.fsencode(argument) for argument in arguments]
        paths = [os.fsencode(program) for program in programs]
        if paths != [python] or not _is_tracker(words, python):
            policy.judge_arguments(paths)
        return original(words, paths, *rest)

    _posixsubprocess.fork_exec = fork_exec


def _is_tracker(words: list[bytes], python: bytes) -> bool:
    """Whether a command line is that of multiprocessing's resource tracker, word by word."""
    # multiprocessing has loaded subprocess before it starts anything.
    from subprocess import _args_from_interpreter_flags  # type: ignore[attr-defined]

    flags = [os.fsencode(flag) for flag in _args_from_interpreter_flags()]
    return words[:-1] == [python, *flags, b"-c"] and bool(_TRACKER.fullmatch(words[-1]))

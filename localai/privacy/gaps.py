"""What an audit hook alone would miss in CPython, and the functions replaced because of it.

Replaced functions can be put back by code that wants to; then these gaps are open again and no
others, since the hook itself stays. Each opens only for a connection that the hook refuses.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from functools import wraps
from typing import Any

from localai.privacy import grants
from localai.privacy.policy import judge_arguments, numeric_host
from localai.privacy.zones import literal_address

_TRACKER = b"from multiprocessing.resource_tracker import main"


def close() -> None:
    """Replace the functions, for the rest of this process."""
    _learn_resolutions()
    # The position of the address among the arguments; sendto takes flags before it or not.
    for method, position in (
        ("connect", 0),
        ("connect_ex", 0),
        ("bind", 0),
        ("sendto", -1),
        ("sendmsg", 3),
    ):
        _resolve_first(method, position)
    _judge_multiprocessing()


def _learn_resolutions() -> None:
    """Learn what granted hosts resolve to: the audit event comes before the answer is known.

    `socket.getaddrinfo` asks `_socket.getaddrinfo` by name at each call, so replacing that one
    reaches also those who imported the function before.
    """
    import _socket

    original = _socket.getaddrinfo

    @wraps(original)
    def getaddrinfo(host: Any, *arguments: Any, **keywords: Any) -> Any:
        answers = original(host, *arguments, **keywords)
        if host is not None:
            name = host if isinstance(host, str) else bytes(host).decode("utf-8", "replace")
            found = (literal_address(str(answer[4][0])) for answer in answers)
            grants.learn(name, (address for address in found if address is not None))
        return answers

    _socket.getaddrinfo = getaddrinfo


def _resolve_first(method: str, position: int) -> None:
    """Resolve names given to connect, sendto … through getaddrinfo, where they are judged.

    CPython resolves them itself *before* it raises the audit event: by then the query is out.
    """
    original = getattr(socket.socket, method)

    @wraps(original)
    def resolving(self: socket.socket, *arguments: Any) -> Any:
        if len(arguments) > max(position, 0):
            changed = list(arguments)
            changed[position] = _resolved(self, arguments[position])
            return original(self, *changed)
        return original(self, *arguments)

    setattr(socket.socket, method, resolving)


def _resolved(sock: socket.socket, address: Any) -> Any:
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple):
        return address
    if len(address) < 2 or literal_address(numeric_host(address)) is not None:
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
            judge_arguments(arguments)
        return original(arguments, *rest)

    _posixsubprocess.fork_exec = fork_exec

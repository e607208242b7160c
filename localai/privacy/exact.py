"""Sockets and addresses as C reads them, whatever a subclass says of itself in Python. Pure."""

from __future__ import annotations

import _socket
import os
import socket
from typing import Any, Final

IP_FAMILIES: Final = frozenset({int(socket.AF_INET), int(socket.AF_INET6)})


def family_of(sock: socket.socket) -> int:
    """The address family of `sock` that the interpreter uses, whatever a subclass reports."""
    family: int = _socket.socket.family.__get__(sock)
    return family


def needs_binding(sock: socket.socket) -> bool:
    """Whether `sock` is an IP socket for datagrams and has no port yet."""
    kind: int = _socket.socket.type.__get__(sock)
    if family_of(sock) not in IP_FAMILIES or kind & 0xF != socket.SOCK_DGRAM:
        return False
    return bool(_socket.socket.getsockname(sock)[1] == 0)


def exact_address(address: Any) -> tuple[Any, ...]:
    """A copy of an IP socket address whose parts are exact str, bytes and int."""
    return tuple(map(_exact, tuple.__iter__(address)))


def exact_text(value: Any) -> Any:
    """A host as an exact str or bytes; a value of any other type is returned as it is."""
    return _exact(value) if isinstance(value, str | bytes | bytearray) else value


def _exact(value: Any) -> Any:
    if isinstance(value, str):
        return str.__str__(value)
    # A slice is copied from the bytes themselves, where bytes() would ask the subclass.
    if isinstance(value, bytes):
        return bytes.__getitem__(value, slice(None))
    if isinstance(value, bytearray):
        return bytes(bytearray.__getitem__(value, slice(None)))
    return int.__index__(value)


def numeric_host(address: Any) -> str:
    """The host of a socket address as text. Python's two special spellings, an empty host and
    `<broadcast>`, become the addresses that they stand for."""
    host = text_of(exact_address(address)[0])
    return {"": "0.0.0.0", "<broadcast>": "255.255.255.255"}.get(host, host)


def text_of(value: Any) -> str:
    """A host, path or argument as text; None becomes an empty text."""
    if value is None:
        return ""
    value = exact_text(os.fspath(value) if isinstance(value, os.PathLike) else value)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

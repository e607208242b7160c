"""HTTP to an engine's worker over its Unix socket, with the standard library alone.

`http.client` over a socket costs 30 ms less at start-up than the lightest HTTP library.
The worker must be this user's: whoever else listens on its socket is sent nothing.
Owns the connections; how answers are framed is `framing`'s subject.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localai.errors import PolicyRefused, Unreachable
from localai.net.framing import refused

# Typed as a plain text, so that the branches of all systems are checked on either.
_PLATFORM: str = sys.platform


class UnixConnection(http.client.HTTPConnection):
    """One HTTP connection over the Unix socket `path`."""

    def __init__(self, path: Path, timeout: float | None = None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect. Raises OSError as the system does, PolicyRefused where another user listens."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if self.timeout is not None:
            self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
        if (user := _listening_user(self.sock)) != os.getuid():
            self.close()
            raise PolicyRefused(
                f"{self._path} is answered by a process of another user (number {user}),"
                " and nothing was sent to it"
            )


def _listening_user(connected: socket.socket) -> int:
    """The number of the user whose process listens at the other end. Raises OSError."""
    if _PLATFORM == "linux":
        # struct ucred: process, user, group.
        size = struct.calcsize("3i")
        credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        return int(struct.unpack("3i", credentials)[1])
    import ctypes

    user, group = ctypes.c_uint32(), ctypes.c_uint32()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.getpeereid(connected.fileno(), ctypes.byref(user), ctypes.byref(group)) != 0:
        raise OSError(ctypes.get_errno(), "the user at the other end is not known")
    return user.value


def call(path: Path, method: str, url: str, body: Any = None, timeout: float = 60) -> Any:
    """One request with a JSON answer. Raises Unreachable where the worker does not answer,
    ServerRefused where it answers with an error."""
    connection = UnixConnection(path, timeout)
    try:
        response = send(connection, method, url, body)
        return json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"the engine does not answer: {error or type(error).__name__}") from error
    finally:
        connection.close()


def send(
    connection: http.client.HTTPConnection,
    method: str,
    url: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> http.client.HTTPResponse:
    """Send a request and wait for the head of the answer.

    Raises ServerRefused for a status of 400 and above, OSError where the connection breaks.
    """
    content = None if body is None else json.dumps(body).encode()
    connection.request(
        method, url, content, {"Content-Type": "application/json", **(headers or {})}
    )
    response = connection.getresponse()
    if response.status >= 400:
        raise refused(response)
    return response

"""An HTTP connection over a Unix socket on which a process of this user must listen.

If another user listens there, nothing is sent.
"""

from __future__ import annotations

import http.client
import os
import socket
import struct
import sys
from pathlib import Path

from localai.errors import PolicyRefused

# Typed as a plain text, so that mypy checks the branches of every system.
_PLATFORM: str = sys.platform


class UnixConnection(http.client.HTTPConnection):
    """One HTTP connection over the Unix socket `path`."""

    def __init__(self, path: Path, timeout: float | None = None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect. Raises OSError, and PolicyRefused if another user listens."""
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
    """The number of the user whose process listens at the other end. Raises OSError if the system
    does not tell."""
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

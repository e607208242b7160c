"""The processes and users that listen on the TCP ports of this machine.

Any user of the machine may open a free port, and a client would send its text to that user. So the
listening user is checked before anything is sent: on Linux by the kernel's table, on macOS by lsof,
which lists only this user's processes. psutil knows the same, but takes 50 ms to import.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from localai.dataclass import dataclass
from localai.net.sock_diag import listening_sockets
from localai.privacy.zones import literal_address, zone_of_address
from localai.types import Zone
from localai.units import whole_number

UNKNOWN = "unknown"
"""The entry of `network.users` for a listening user whom the system does not show."""

LSOF = "/usr/sbin/lsof"
_PROC = Path("/proc")
_LISTEN = "0A"
# lsof takes 60 ms, and an answer needs several requests, so its result is kept this long.
_LSOF_HOLDS_S = 10.0
_seen_by_lsof: dict[int, tuple[tuple[int, ...], float]] = {}
# Typed as a plain text, so that mypy checks the branches of both systems.
_PLATFORM: str = sys.platform


def listening_pid(port: int, program: str) -> int | None:
    """The id of the process that listens on `port` and whose name begins with `program`; None if
    no such process is seen.

    Only processes whose open files this user may see are.
    """
    if _PLATFORM == "darwin":
        output = _lsof(f"-iTCP:{port}", "-Fpc")
        return next((pid for pid, name in _processes(output) if name.startswith(program)), None)
    inodes = {inode for _, listens_on, _, inode in _listeners() if listens_on == port}
    sockets = {f"socket:[{inode}]" for inode in inodes}
    if not sockets:
        return None
    for process in _PROC.iterdir():
        if process.name.isdecimal() and _is_called(process, program) and _holds(process, sockets):
            return int(process.name)
    return None


def listening_users(host: str, port: int) -> frozenset[str]:
    """The names of the users who would receive a connection to `port` of the loopback address
    `host`. The set is empty if nobody is seen to listen, or if the system does not tell."""
    if _PLATFORM == "darwin":
        return frozenset(map(user_name, _users_by_lsof(port)))
    address = literal_address(host) or b""
    return frozenset(
        user_name(user)
        for listens_at, listens_on, user, _ in _listeners()
        if listens_on == port and (listens_at == address or not any(listens_at))
    )


@dataclass(frozen=True, slots=True)
class Listening:
    """A listening TCP socket: its numeric address as a text, its port, and its user's name."""

    address: str
    port: int
    user: str

    @property
    def is_open(self) -> bool:
        """Whether its address lets other machines reach it."""
        packed = literal_address(self.address)
        return packed is None or not any(packed) or zone_of_address(packed) is not Zone.DEVICE


def all_listening() -> list[Listening]:
    """The listening TCP sockets of this machine; on macOS only this user's."""
    if _PLATFORM == "darwin":
        return _all_by_lsof()
    return [
        Listening(
            socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed),
            port,
            user_name(user),
        )
        for packed, port, user, _ in _listeners()
    ]


def stranger_listening(
    host: str, port: int, trusted: Iterable[str], *, connected: bool
) -> str | None:
    """The name of a user who listens at `host` and `port` and is neither this user, nor root, nor
    in `trusted`; None if there is none.

    With `connected`, somebody does listen, so an empty result of `listening_users` means UNKNOWN.
    """
    users = listening_users(host, port) or (frozenset({UNKNOWN}) if connected else frozenset())
    return min(users - {user_name(os.getuid()), user_name(0), *trusted}, default=None)


def user_name(user: int) -> str:
    """The name of the user with this number; the number if there is no name."""
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _listeners() -> Iterator[tuple[bytes, int, int, int]]:
    """The packed address, port, user number and inode of each listening socket. An IPv4-mapped
    address becomes the IPv4 address in it."""
    try:
        sockets = list(listening_sockets())
    except (OSError, AttributeError):
        sockets = list(_listening_by_table())
    for packed, port, user, inode in sockets:
        family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
        address = literal_address(socket.inet_ntop(family, packed)) or packed
        yield address, port, user, inode


def _listening_by_table() -> Iterator[tuple[bytes, int, int, int]]:
    """The same by the kernel's table of all connections, which takes longer."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTEN:
                address, _, port = fields[1].rpartition(":")
                yield _packed(address), int(port, 16), int(fields[7]), int(fields[9])


def _packed(written: str) -> bytes:
    """The bytes of an address in the kernel's table, which writes words of four bytes in the
    machine's own order."""
    words = (written[at : at + 8] for at in range(0, len(written), 8))
    return b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)


def parse_lsof(output: str) -> list[Listening]:
    """The sockets in the output of `lsof -F un`. Each line is a letter and a value; a user's number
    precedes the names of the user's sockets."""
    sockets: list[Listening] = []
    user = ""
    for line in output.splitlines():
        letter, value = line[:1], line[1:]
        if letter == "u" and (number := whole_number(value)) is not None:
            user = user_name(number)
        elif letter == "n":
            host, _, port = value.rpartition(":")
            if (number := whole_number(port)) is not None:
                host = host.strip("[]")
                sockets.append(Listening("0.0.0.0" if host == "*" else host, number, user))
    return sockets


def _processes(output: str) -> Iterator[tuple[int, str]]:
    """The processes in the output of `lsof -F pc`: a line with the id, and one with the name."""
    pid = ""
    for line in output.splitlines():
        if line[:1] == "p":
            pid = line[1:]
        elif line[:1] == "c" and pid.isdecimal():
            yield int(pid), line[1:]


def _all_by_lsof() -> list[Listening]:
    return parse_lsof(_lsof("-iTCP", "-Fun"))


def _users_by_lsof(port: int) -> tuple[int, ...]:
    users, until = _seen_by_lsof.get(port, ((), 0.0))
    if users and time.monotonic() < until:
        return users
    output = _lsof(f"-iTCP:{port}", "-Fu")
    # Each line of the output is a field's letter and its value.
    numbers = (whole_number(line[1:]) for line in output.splitlines() if line[:1] == "u")
    users = tuple(number for number in numbers if number is not None)
    if users:
        _seen_by_lsof[port] = users, time.monotonic() + _LSOF_HOLDS_S
    return users


def _lsof(*arguments: str) -> str:
    """lsof's output about listening sockets; empty if lsof cannot be run."""
    import subprocess

    from localai.privacy.environment import child_environment
    from localai.privacy.guard import child

    try:
        with child("lsof, for the user who listens on a port"):
            finished = subprocess.run(
                [LSOF, "-nP", "-sTCP:LISTEN", *arguments],
                capture_output=True,
                text=True,
                errors="replace",
                env=child_environment(),
                timeout=10,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return finished.stdout


def _is_called(process: Path, program: str) -> bool:
    # Any user may call a program by bytes that are no text.
    try:
        return (process / "comm").read_text(errors="replace").startswith(program)
    except OSError:
        return False


def _holds(process: Path, sockets: set[str]) -> bool:
    try:
        return any(str(entry.readlink()) in sockets for entry in (process / "fd").iterdir())
    except OSError:
        return False

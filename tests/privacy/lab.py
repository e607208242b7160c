"""A network in one process: other "machines", a resolver that counts, and no way to the real one.

A user, network and mount namespace in which loopback also carries public and private addresses,
/etc/hosts names them, and every DNS query goes to a socket here. So a test can let a connection
"leave" the machine, and see that nothing else did.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import tempfile
import threading
from pathlib import Path

import pytest

CLOUD = "203.0.113.7"
OTHER_CLOUD = "203.0.113.8"
LAN = "192.168.77.1"
CGNAT = "100.64.9.9"
HOSTS = f"""127.0.0.1 localhost
::1 localhost
{CLOUD} cloud.example api.openai.com cdn.files.example
{OTHER_CLOUD} other.example
{LAN} box.lan
{CLOUD} deceiver.lan
{CGNAT} tailnet.lan
"""

queries: list[bytes] = []

_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_SIOCSIFFLAGS, _SIOCSIFADDR = 0x8914, 0x8916
_IFF_UP_RUNNING = 0x1 | 0x40


def enter() -> None:
    """Move this process into the lab and start its resolver."""
    user, group = os.geteuid(), os.getegid()
    _check(_libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWNS))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _check(_libc().mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None))
    _replace("/etc/hosts", HOSTS)
    _replace("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    _replace("/etc/nsswitch.conf", "hosts: files dns\npasswd: files\ngroup: files\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        flags = struct.pack("16sh14x", b"lo", _IFF_UP_RUNNING)
        fcntl.ioctl(control, _SIOCSIFFLAGS, flags)
        for number, address in enumerate((CLOUD, OTHER_CLOUD, LAN, CGNAT)):
            name = f"lo:{number}".encode()
            packed = struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(control, _SIOCSIFADDR, packed)
    resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    resolver.bind(("127.0.0.1", 53))
    threading.Thread(target=_count_queries, args=(resolver,), daemon=True).start()


def listen(address: str) -> int:
    """The port of a TCP server at `address` that accepts and says nothing."""
    server = socket.create_server((address, 0))
    threading.Thread(target=_accept_all, args=(server,), daemon=True).start()
    port: int = server.getsockname()[1]
    return port


def can_be_entered() -> bool:
    """Whether this machine gives an unprivileged process such namespaces."""
    pid = os.fork()
    if pid == 0:
        try:
            enter()
            os._exit(0)
        except OSError:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


needs_lab = pytest.mark.skipif(
    "not __import__('tests.privacy.lab', fromlist=['']).can_be_entered()",
    reason="this kernel gives no user, network and mount namespace to unprivileged processes",
)


def _count_queries(resolver: socket.socket) -> None:
    while True:
        query, client = resolver.recvfrom(512)
        queries.append(query)
        # The same question back with "no such name".
        resolver.sendto(query[:2] + b"\x81\x83" + query[4:], client)


def _accept_all(server: socket.socket) -> None:
    kept = []
    while True:
        kept.append(server.accept())


def _replace(target: str, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(text)
    Path(file.name).chmod(0o644)
    _check(_libc().mount(file.name.encode(), target.encode(), None, _MS_BIND, None))
    Path(file.name).unlink()


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))

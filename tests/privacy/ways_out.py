"""Every way out of a Python process that we could think of, and a child that tries them all.

`python -m tests.privacy.ways_out` installs the guard, tries each, and prints as JSON what came of
it. The other side does not exist: where nothing refuses, a look-up or a connection fails.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

NAME = "elsewhere.example"


def _tcp() -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    return sock


def _tcp6() -> socket.socket:
    sock = socket.socket(socket.AF_INET6)
    sock.setblocking(False)
    return sock


def _udp() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _http_client() -> None:
    import http.client

    http.client.HTTPSConnection(NAME, timeout=3).request("GET", "/")


def _urllib() -> None:
    import urllib.request

    urllib.request.urlopen(f"http://{NAME}/", timeout=3)


def _ftp() -> None:
    import ftplib

    ftplib.FTP(NAME, timeout=3)


def _mail() -> None:
    import smtplib

    smtplib.SMTP(NAME, timeout=3)


def _httpx() -> None:
    import httpx

    httpx.get(f"https://{NAME}/", timeout=3)


def _httpx_async() -> None:
    import httpx

    async def get() -> None:
        async with httpx.AsyncClient() as client:
            await client.get(f"https://{NAME}/", timeout=3)

    asyncio.run(get())


def _ollama() -> None:
    import ollama

    ollama.Client(host=f"http://{NAME}:11434").list()


def _openai() -> None:
    import openai

    openai.OpenAI(api_key="not-a-key", max_retries=0).models.list()


def _anthropic() -> None:
    import anthropic

    anthropic.Anthropic(api_key="not-a-key", max_retries=0).models.list()


def _hub() -> None:
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        os.environ.pop(variable, None)  # so that it is the guard that stops it
    import huggingface_hub

    huggingface_hub.HfApi().model_info("org/model")


def _asyncio_stream() -> None:
    asyncio.run(asyncio.open_connection(NAME, 443))


def _asyncio_datagram() -> None:
    async def send() -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("198.51.100.9", 53)
        )

    asyncio.run(send())


def _asyncio_program() -> None:
    asyncio.run(asyncio.create_subprocess_exec("curl", f"http://{NAME}/"))


def _run(command: Any, **options: Any) -> None:
    import subprocess

    subprocess.run(command, check=True, capture_output=True, **options)


def _multiprocessing(method: str) -> None:
    import multiprocessing

    context: Any = multiprocessing.get_context(method)
    context.Process(target=print).start()


def _pty() -> None:
    import pty

    pty.spawn(["curl", NAME])


def _thread() -> None:
    import concurrent.futures

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(socket.create_connection, ("198.51.100.9", 443), 3).result()


def _native_socket(address: tuple[str, int]) -> None:
    import _socket

    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.connect(address)


def _vsock() -> None:
    sock = socket.socket(socket.AF_VSOCK)
    sock.setblocking(False)
    sock.connect((socket.VMADDR_CID_HOST, 1))


class _LyingTuple(tuple):  # type: ignore[type-arg]
    """In Python an address of this machine; C reads the items."""

    def __getitem__(self, index: Any) -> Any:
        return ("127.0.0.1", 443)[index]

    def __iter__(self) -> Any:
        return iter(("127.0.0.1", 443))

    def __len__(self) -> int:
        return 2


class _LyingText(str):
    """In Python another host than in C."""

    def __str__(self) -> str:
        return "127.0.0.1"

    def encode(self, *_: Any) -> bytes:
        return b"127.0.0.1"

    def lower(self) -> str:
        return "localhost"

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("127.0.0.1")


class _LyingSocket(socket.socket):
    """Calls itself a Unix socket."""

    @property
    def family(self) -> Any:
        return socket.AF_UNIX


def _lying_socket() -> _LyingSocket:
    sock = _LyingSocket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    return sock


def _native_datagram() -> None:
    import _socket

    _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))


def _steered_message() -> None:
    # struct in_pktinfo: the interface, the source, the destination.
    packet_info = (socket.IPPROTO_IP, 8, bytes(12))
    _udp().sendmsg([b"x"], [packet_info], 0, ("127.0.0.1", 9))


def _set_option(level: int, option: int) -> None:
    endpoint = _tcp6() if level == socket.IPPROTO_IPV6 else _tcp()
    endpoint.setsockopt(level, option, bytes(16))


def _as_tracker(*words: str, program: str = sys.executable) -> None:
    from multiprocessing import util

    arguments = [each.encode() for each in (program, "-c", *words)]
    util.spawnv_passfds(program.encode(), arguments, [])


_TRACKER = "from multiprocessing.resource_tracker import main"

# What is tried, and what the message must name.
WAYS: dict[str, tuple[Callable[[], Any], str]] = {
    "getaddrinfo": (lambda: socket.getaddrinfo(NAME, 443), NAME),
    "getaddrinfo of bytes": (lambda: socket.getaddrinfo(NAME.encode(), 443), NAME),
    "getaddrinfo in capitals": (lambda: socket.getaddrinfo("ELSEWHERE.EXAMPLE.", 443), "ELSEWHERE"),
    "getaddrinfo of own name": (lambda: socket.getaddrinfo("my-laptop", 443), "my-laptop"),
    "getaddrinfo below localhost": (lambda: socket.getaddrinfo("x.localhost", 1), "x.localhost"),
    "getaddrinfo of a padded address": (
        lambda: socket.getaddrinfo("127.0.0.1 secret", 443),
        "127.0.0.1 secret",
    ),
    "gethostbyname": (lambda: socket.gethostbyname(NAME), NAME),
    "gethostbyname_ex": (lambda: socket.gethostbyname_ex(NAME), NAME),
    "gethostbyaddr": (lambda: socket.gethostbyaddr("198.51.100.9"), "198.51.100.9"),
    "gethostbyaddr of a name": (lambda: socket.gethostbyaddr(NAME), NAME),
    "getnameinfo": (lambda: socket.getnameinfo(("198.51.100.9", 80), 0), "198.51.100.9"),
    "getfqdn": (lambda: socket.getfqdn(NAME), NAME),
    "connect to a name": (lambda: socket.socket().connect((NAME, 443)), NAME),
    "connect_ex to a name": (lambda: socket.socket().connect_ex((NAME, 443)), NAME),
    "sendto a name": (lambda: _udp().sendto(b"x", (NAME, 53)), NAME),
    "sendto a name with flags": (lambda: _udp().sendto(b"x", 0, (NAME, 53)), NAME),
    "sendmsg to a name": (lambda: _udp().sendmsg([b"x"], [], 0, (NAME, 53)), NAME),
    "connect": (lambda: _tcp().connect(("198.51.100.9", 443)), "198.51.100.9 port 443 (cloud)"),
    "connect_ex": (lambda: _tcp().connect_ex(("198.51.100.9", 443)), "198.51.100.9 port 443"),
    "connect to a number": (lambda: _tcp().connect(("3325256713", 443)), "198.51.100.9"),
    "connect to CGNAT": (lambda: _tcp().connect(("100.64.0.5", 443)), "100.64.0.5 port 443 (lan)"),
    "connect to link-local": (lambda: _tcp().connect(("169.254.169.254", 80)), "169.254.169.254"),
    "connect to private": (
        lambda: _tcp().connect(("192.168.1.7", 80)),
        "192.168.1.7 port 80 (lan)",
    ),
    "connect to broadcast": (lambda: _tcp().connect(("<broadcast>", 80)), "255.255.255.255"),
    "connect over IPv6": (lambda: _tcp6().connect(("2001:db8::9", 443)), "2001:db8::9"),
    "connect to IPv4-mapped": (
        lambda: _tcp6().connect(("::ffff:198.51.100.9", 443)),
        "::ffff:198.51.100.9 port 443 (cloud)",
    ),
    "connect to NAT64 of loopback": (
        lambda: _tcp6().connect(("64:ff9b::7f00:1", 443)),
        "64:ff9b::7f00:1",
    ),
    "connect to IPv6 link-local": (lambda: _tcp6().connect(("fe80::1", 80, 0, 1)), "fe80::1"),
    "connect to ULA": (lambda: _tcp6().connect(("fd12::1", 80)), "fd12::1 port 80 (lan)"),
    "connect with _socket": (lambda: _native_socket(("198.51.100.9", 443)), "198.51.100.9"),
    "sendto": (lambda: _udp().sendto(b"x", ("198.51.100.9", 53)), "198.51.100.9 port 53"),
    "sendto multicast": (lambda: _udp().sendto(b"x", ("224.0.0.251", 5353)), "224.0.0.251"),
    "sendmsg": (lambda: _udp().sendmsg([b"x"], [], 0, ("198.51.100.9", 53)), "198.51.100.9"),
    "bind everywhere": (lambda: socket.socket().bind(("", 0)), "listen on 0.0.0.0"),
    "bind everywhere over IPv6": (lambda: _tcp6().bind(("::", 0)), "listen on ::"),
    "create_server": (lambda: socket.create_server(("0.0.0.0", 0)), "listen on 0.0.0.0"),
    "create_connection": (lambda: socket.create_connection((NAME, 443), 3), NAME),
    "in a thread": (_thread, "198.51.100.9 port 443"),
    "http.client": (_http_client, NAME),
    "urllib": (_urllib, NAME),
    "ftplib": (_ftp, NAME),
    "smtplib": (_mail, NAME),
    "httpx": (_httpx, NAME),
    "httpx, asynchronous": (_httpx_async, NAME),
    "asyncio": (_asyncio_stream, NAME),
    "asyncio datagrams": (_asyncio_datagram, "198.51.100.9 port 53"),
    "ollama": (_ollama, NAME),
    "openai": (_openai, "api.openai.com"),
    "anthropic": (_anthropic, "api.anthropic.com"),
    "huggingface_hub": (_hub, "huggingface.co"),
    "subprocess": (lambda: _run(["curl", f"http://{NAME}/"]), "'curl'"),
    "subprocess in a shell": (lambda: _run(f"curl http://{NAME}/", shell=True), "'curl'"),
    "asyncio program": (_asyncio_program, "'curl'"),
    "os.system": (lambda: os.system(f"curl http://{NAME}/"), "'curl'"),
    "os.popen": (lambda: os.popen(f"curl http://{NAME}/"), "'curl'"),
    "os.posix_spawn": (lambda: os.posix_spawn("/bin/true", ["true"], {}), "'/bin/true'"),
    "os.execv": (lambda: os.execv("/bin/true", ["true"]), "'/bin/true'"),
    "pty.spawn": (_pty, "'curl'"),
    "multiprocessing spawn": (lambda: _multiprocessing("spawn"), sys.executable),
    "multiprocessing forkserver": (lambda: _multiprocessing("forkserver"), sys.executable),
}
WAYS |= {
    "getaddrinfo of localhost with a dot": (
        lambda: socket.getaddrinfo("localhost.", 1),
        "localhost.",
    ),
    "getaddrinfo of a text that lies": (lambda: socket.getaddrinfo(_LyingText(NAME), 443), NAME),
    "connect to a tuple that lies": (
        lambda: _tcp().connect(_LyingTuple(("198.51.100.9", 443))),
        "198.51.100.9 port 443",
    ),
    "connect to a text that lies": (
        lambda: _tcp().connect((_LyingText("198.51.100.9"), 443)),
        "198.51.100.9 port 443",
    ),
    "connect with _socket to a tuple that lies": (
        lambda: _native_socket(_LyingTuple(("198.51.100.9", 443))),
        "198.51.100.9 port 443",
    ),
    "connect with a socket that lies": (
        lambda: _lying_socket().connect(("198.51.100.9", 443)),
        "198.51.100.9 port 443",
    ),
    "sendto a tuple that lies": (
        lambda: _udp().sendto(b"x", _LyingTuple(("198.51.100.9", 53))),
        "198.51.100.9 port 53",
    ),
    "bind to a tuple that lies": (
        lambda: socket.socket().bind(_LyingTuple(("0.0.0.0", 0))),
        "listen on 0.0.0.0",
    ),
    "listen without bind": (lambda: socket.socket().listen(), "listen on 0.0.0.0"),
    "listen without bind over IPv6": (lambda: _tcp6().listen(), "listen on ::"),
    "sendto with _socket, which binds everywhere": (_native_datagram, "listen on 0.0.0.0"),
    "ancillary data": (_steered_message, "ancillary data"),
    "a raw socket": (lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 255), "raw socket"),
    "the tracker's beginning": (
        lambda: _as_tracker(f"{_TRACKER};print(1)"),
        sys.executable,
    ),
    "the tracker's words after others": (
        lambda: _as_tracker("print(1)", f"{_TRACKER};main(1)"),
        sys.executable,
    ),
    "the tracker's words to another program": (
        lambda: _as_tracker(f"{_TRACKER};main(1)", program="/usr/bin/curl"),
        "'/usr/bin/curl'",
    ),
}
# By Linux's numbers, some of which Python has no names for: interfaces, marks, sources, routes.
for _level, _option in (
    *((socket.SOL_SOCKET, each) for each in (25, 36, 62)),
    *((socket.IPPROTO_IP, each) for each in (3, 4, 8, 15, 19, 32, 35, 50)),
    *((socket.IPPROTO_IPV6, each) for each in (2, 5, 6, 9, 17, 20, 50, 54, 57, 59, 75, 76)),
    (132, 110),
):
    WAYS[f"the socket option {_option} of level {int(_level)}"] = (
        partial(_set_option, _level, _option),
        f"socket option {_option} of level {int(_level)}",
    )
if hasattr(socket, "AF_VSOCK"):
    WAYS["connect to the virtual machine's host"] = (_vsock, "AF_VSOCK")


def _try(way: Callable[[], Any]) -> dict[str, Any]:
    from localai.errors import PolicyRefused, find_localai_error
    from localai.privacy import guard

    before = guard.last_refusal()
    try:
        outcome: dict[str, Any] = {"raised": None, "value": repr(way())}
        error = None
    except Exception as raised:  # noqa: BLE001  whatever a library makes of it is looked at
        outcome = {"raised": repr(raised)}
        error = find_localai_error(raised)
    if error is None and guard.last_refusal() is not before:
        error = guard.last_refusal()
    if error is not None:
        outcome |= {
            "refused": isinstance(error, PolicyRefused),
            "message": error.message,
            "remedy": error.hint or error.command,
            "exit_code": error.exit_code,
        }
    return outcome


def main() -> None:
    """Install the guard, try every way out, print what came of each."""
    from localai.privacy import guard

    guard.install()
    outcomes = {}
    for name, (way, _) in WAYS.items():
        outcomes[name] = _try(way)
    with suppress(BrokenPipeError):
        print(json.dumps(outcomes))


if __name__ == "__main__":
    main()

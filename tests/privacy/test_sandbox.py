"""Where the kernel denies the network, native code has none either, and Unix sockets remain."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import http.client
import json
import mmap
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.errors import PolicyRefused
from localai.privacy import sandbox
from localai.privacy.sandbox import airgap_reexec, deny_network, sandboxed_command
from localai.privacy.seccomp import network_filter
from tests.privacy.child import child_python, in_child
from tests.support.bpf import run_filter
from tests.support.weights import SYSTEM_PROMPT

linux = pytest.mark.skipif(sys.platform != "linux", reason="namespaces and filters are Linux's")
apple = pytest.mark.apple
both_ways = pytest.mark.parametrize("namespace", [True, False], ids=["namespace", "seccomp"])

IO_URING_SETUP = 425
# The number of a pseudo-terminal.
TIOCGPTN = 0x80045430


@pytest.fixture
def tcp_port() -> Iterator[int]:
    """A TCP server on loopback, outside the denial."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def unix_path() -> Iterator[str]:
    """A server on a Unix socket, outside the denial, that says hello."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{folder}/socket")
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"hello")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"{folder}/socket"
        thread.join(5)


@linux
@both_ways
@in_child()
def test_neither_python_nor_native_code_has_a_network(
    namespace: bool, tcp_port: int, unix_path: str
) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert _native_connect(libc, tcp_port) == 0  # it could before
    denial = deny_network(namespace=namespace)
    assert denial.enforced
    assert denial.how == ("namespace" if namespace else "seccomp")
    assert "tried from native code, refused: 127.0.0.1, ::1, 192.0.2.1" in denial.evidence
    assert _native_connect(libc, tcp_port) != 0
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", tcp_port), timeout=5)
    with pytest.raises(OSError):
        socket.create_connection(("::1", tcp_port), timeout=5)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(unix_path)
        assert client.recv(5) == b"hello"


@linux
@both_ways
@in_child()
def test_the_filter_leaves_unix_and_netlink_sockets_only(namespace: bool) -> None:
    deny_network(namespace=namespace)
    libc = ctypes.CDLL(None, use_errno=True)
    opened = set()
    for family in range(64):
        descriptor = libc.socket(family, socket.SOCK_DGRAM, 0)
        if descriptor >= 0:
            opened.add(family)
            os.close(descriptor)
        else:
            assert ctypes.get_errno() == errno.EACCES or family in (1, 16)
    assert opened <= {int(socket.AF_UNIX), int(socket.AF_NETLINK)}
    assert int(socket.AF_UNIX) in opened
    assert libc.syscall(IO_URING_SETUP, 1, None) == -1
    assert ctypes.get_errno() == errno.EACCES


@linux
@both_ways
@in_child()
def test_children_inherit_the_denial(namespace: bool, tcp_port: int) -> None:
    connect = f"import socket; socket.create_connection(('127.0.0.1', {tcp_port}), 5)"
    command = [sys.executable, "-c", connect]
    assert subprocess.run(command, check=False).returncode == 0
    deny_network(namespace=namespace)
    finished = subprocess.run(command, capture_output=True, check=False)
    assert finished.returncode != 0
    assert b"PermissionError" in finished.stderr or b"unreachable" in finished.stderr


@linux
@both_ways
@in_child()
def test_the_users_files_stay_the_users(namespace: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder, "before")
        before.write_text("secret")
        before.chmod(0o600)
        user = os.getuid(), os.getgid()
        deny_network(namespace=namespace)
        assert (os.getuid(), os.getgid()) == user
        assert before.read_text() == "secret"
        after = Path(folder, "after")
        after.write_text("mine")
        assert after.stat().st_uid == before.stat().st_uid == user[0]


@linux
@both_ways
@in_child()
def test_device_files_stay_open_for_a_graphics_card(namespace: bool) -> None:
    """A card's driver opens its nodes, asks them (ioctl) and maps their memory."""
    assert deny_network(namespace=namespace).enforced
    descriptor = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    number = struct.unpack("I", fcntl.ioctl(descriptor, TIOCGPTN, b"\0" * 4))[0]
    assert Path(f"/dev/pts/{number}").exists()
    os.close(descriptor)
    zero = os.open("/dev/zero", os.O_RDWR)
    with mmap.mmap(zero, 4096) as memory:
        memory[:4] = b"card"
        assert memory[:8] == b"card\0\0\0\0"


@linux
@both_ways
@in_child()
def test_a_denial_within_a_denial_holds(namespace: bool) -> None:
    assert deny_network(namespace=namespace).enforced
    assert deny_network().enforced
    assert sandboxed_command(["program"]) == ["program"]


@linux
@in_child()
def test_with_threads_the_filter_alone_holds_for_all_of_them() -> None:
    denied, done = threading.Event(), threading.Event()
    results: list[int] = []

    def other_thread() -> None:
        denied.wait()
        results.append(ctypes.CDLL(None).socket(int(socket.AF_INET), int(socket.SOCK_DGRAM), 0))
        done.set()

    threading.Thread(target=other_thread).start()
    denial = deny_network()
    denied.set()
    done.wait()
    assert (denial.enforced, denial.how) == (True, "seccomp")
    assert results == [-1]


@linux
@in_child()
def test_where_nothing_can_be_had_it_says_so_and_an_air_gap_is_refused() -> None:
    import platform

    threading.Thread(target=threading.Event().wait, daemon=True).start()  # no namespace, then
    platform.machine = lambda: "sparc64"
    denial = deny_network()
    assert (denial.enforced, denial.how) == (False, "none")
    assert "no user and network namespace: Invalid argument" in denial.evidence
    assert "no system-call filter is known for sparc64" in denial.evidence
    assert "native code reaches 127.0.0.1" in denial.evidence
    with pytest.raises(PolicyRefused, match="an air gap cannot be had on this machine") as refused:
        airgap_reexec(["chat", "hello"])
    assert refused.value.exit_code == 4


@linux
@in_child()
def test_an_air_gap_holds_under_the_guard_and_leaves_unix_sockets(
    tcp_port: int, unix_path: str
) -> None:
    from localai.privacy import guard

    guard.install()
    socket.create_connection(("127.0.0.1", tcp_port), timeout=5).close()
    assert airgap_reexec(["chat", "hello"]).enforced
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", tcp_port), timeout=5)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(unix_path)
        assert client.recv(5) == b"hello"


@linux
@in_child()
def test_under_an_air_gap_no_name_is_asked_whatever_is_granted() -> None:
    from localai.privacy import guard
    from localai.types import Purpose, Zone

    guard.install()
    airgap_reexec(["pull", "x"])
    with (
        guard.grant(Purpose.DOWNLOAD, "cloud.example", zone=Zone.CLOUD),
        pytest.raises(PolicyRefused, match=r"look up cloud\.example"),
    ):
        socket.getaddrinfo("cloud.example", 443)


@linux
@in_child()
def test_an_air_gap_without_the_filter_is_refused() -> None:
    import platform

    platform.machine = lambda: "sparc64"
    with pytest.raises(PolicyRefused, match="no system-call filter is known for sparc64"):
        airgap_reexec(["chat", "hello"])


@linux
@in_child()
def test_an_air_gap_closes_the_sockets_that_it_inherits(tcp_port: int) -> None:
    inherited = socket.create_connection(("127.0.0.1", tcp_port), timeout=5)
    first, second = socket.socketpair()
    airgap_reexec(["chat", "hello"])
    with pytest.raises(OSError, match="Bad file descriptor"):
        inherited.send(b"x")
    inherited.detach()
    first.send(b"stays")
    assert second.recv(5) == b"stays"


@linux
@in_child()
def test_an_air_gap_refuses_to_answer_into_a_connection(tcp_port: int) -> None:
    connection = socket.create_connection(("127.0.0.1", tcp_port), timeout=5)
    kept = os.dup(1)
    os.dup2(connection.fileno(), 1)
    try:
        with pytest.raises(PolicyRefused, match="descriptor 1 is a connection"):
            airgap_reexec(["chat", "hello"])
    finally:
        os.dup2(kept, 1)


@linux
@both_ways
@in_child()
def test_no_descriptor_or_memory_of_another_process_can_be_used(namespace: bool) -> None:
    outside = subprocess.Popen(["sleep", "60"])
    try:
        pidfd = os.pidfd_open(outside.pid)
        deny_network(namespace=namespace)
        libc = ctypes.CDLL(None, use_errno=True)
        for number in (438, *{"x86_64": (101, 311)}.get(os.uname().machine, (117, 271))):
            assert libc.syscall(number, pidfd, 0, 0, 0, 0, 0) == -1
            assert ctypes.get_errno() == errno.EACCES
    finally:
        outside.kill()
        outside.wait()


@linux
@both_ways
@in_child()
def test_the_embedded_engine_answers_without_a_network(namespace: bool, smollm2: str) -> None:
    assert deny_network(namespace=namespace).enforced
    import xllamacpp

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/engine.sock"
        parameters: Any = xllamacpp.CommonParams()
        parameters.model.path = smollm2
        parameters.hostnames = [path]
        parameters.n_ctx = 512
        server = xllamacpp.Server(parameters)
        question = {
            "messages": [
                {"role": "system", "content": SYSTEM_PROMPT},
                {"role": "user", "content": "What is the capital of France?"},
            ],
            "max_tokens": 16,
            "temperature": 0,
        }
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(path)
        connection.request(
            "POST",
            "/v1/chat/completions",
            json.dumps(question),
            {"Content-Type": "application/json"},
        )
        answer = json.load(connection.getresponse())
        assert "Paris" in answer["choices"][0]["message"]["content"]
        del server


@pytest.fixture
def smollm2(laconic_path: Path) -> str:
    """The starter's weights, as a path that travels as JSON."""
    return str(laconic_path)


@apple
@pytest.mark.skipif(sys.platform != "darwin", reason="sandbox-exec is macOS's")
def test_the_macos_profile_denies_the_network_and_leaves_unix_sockets(
    tcp_port: int, unix_path: str
) -> None:
    script = f"""
import socket
from localai.privacy.sandbox import deny_network, sandboxed_command
print(deny_network().how, sandboxed_command(["x"]) == ["x"])
try:
    socket.create_connection(("127.0.0.1", {tcp_port}), 5)
except OSError as error:
    print(type(error).__name__)
client = socket.socket(socket.AF_UNIX)
client.connect({unix_path!r})
print(client.recv(5).decode())
"""
    finished = subprocess.run(
        sandboxed_command([sys.executable, "-c", script]),
        env=child_python(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.split() == ["sandbox-exec", "True", "PermissionError", "hello"]


MACHINES = {
    "x86_64": {"arch": 0xC000003E, "socket": 41, "other": 1},
    "aarch64": {"arch": 0xC00000B7, "socket": 198, "other": 64},
}
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
machines = st.sampled_from(sorted(MACHINES))


@given(machines, st.integers(0, 2**32 - 1))
def test_a_filter_allows_sockets_of_two_families(machine: str, family: int) -> None:
    known = MACHINES[machine]
    verdict = _run_filter(machine, known["arch"], known["socket"], family)
    assert verdict == (ALLOW if family in (1, 16) else REFUSE)


@given(machines, st.integers(0, 2**32 - 1))
def test_a_filter_allows_nothing_of_another_architecture(machine: str, arch: int) -> None:
    known = MACHINES[machine]
    verdict = _run_filter(machine, arch, known["other"], 0)
    assert verdict == (ALLOW if arch == known["arch"] else REFUSE)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_filter_refuses_io_uring_and_the_second_set_of_x86_numbers(machine: str) -> None:
    arch = MACHINES[machine]["arch"]
    assert _run_filter(machine, arch, IO_URING_SETUP, 0) == REFUSE
    x32 = _run_filter(machine, arch, 0x40000000 | MACHINES[machine]["socket"], 2)
    assert x32 == (REFUSE if machine == "x86_64" else ALLOW)  # aarch64 has no such set


def test_an_unknown_machine_has_no_filter() -> None:
    assert network_filter("sparc64") is None


def _run_filter(machine: str, arch: int, number: int, first_argument: int) -> int:
    program = network_filter(machine)
    assert program is not None
    data = struct.pack("=IIQQ", number, arch, 0, first_argument)
    return run_filter(program, data)


def _native_connect(libc: ctypes.CDLL, port: int) -> int:
    """libc's own socket and connect to 127.0.0.1; 0, or the error number."""
    descriptor = libc.socket(int(socket.AF_INET), int(socket.SOCK_STREAM), 0)
    if descriptor < 0:
        return ctypes.get_errno()
    address = struct.pack("=H", int(socket.AF_INET)) + struct.pack("!H4s8x", port, b"\x7f\0\0\1")
    failed = libc.connect(descriptor, address, len(address)) != 0
    number = ctypes.get_errno() if failed else 0
    os.close(descriptor)
    return number


# macOS by simulation: its branches, and a sandbox-exec that does what Apple's does


def _mac(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    tool = folder / "sandbox-exec"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setattr(sandbox, "_PLATFORM", "darwin")
    monkeypatch.setattr(sandbox, "_SANDBOX_EXEC", str(tool))
    monkeypatch.setattr(sandbox, "_reachable", lambda libc: iter(["127.0.0.1"]))
    sandbox._profile_can_be_set.cache_clear()
    return tool


@pytest.fixture
def inside_another_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in an agent's or a CI's sandbox: none can be nested."""
    refusal = "echo 'sandbox-exec: sandbox_apply: Operation not permitted' >&2; exit 71"
    _mac(tmp_path, monkeypatch, refusal)
    yield
    sandbox._profile_can_be_set.cache_clear()


def test_on_macos_a_worker_starts_under_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = _mac(tmp_path, monkeypatch, "exit 0")
    command = sandboxed_command(["worker", "folder"])
    assert (command[0], command[1], command[3:]) == (str(tool), "-p", ["worker", "folder"])
    assert "(deny network*)" in command[2]
    sandbox._profile_can_be_set.cache_clear()


@pytest.mark.usefixtures("inside_another_sandbox")
def test_inside_another_sandbox_a_worker_starts_without_the_profile_and_says_so() -> None:
    assert sandboxed_command(["worker", "folder"]) == ["worker", "folder"]
    denial = deny_network()
    assert not denial.enforced
    assert "sandbox-exec is missing or refuses" in denial.evidence
    assert "native code reaches 127.0.0.1" in denial.evidence


@pytest.mark.usefixtures("inside_another_sandbox")
def test_inside_another_sandbox_an_air_gap_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_close_inherited_sockets", lambda: None)
    with pytest.raises(PolicyRefused, match="an air gap cannot be had") as caught:
        airgap_reexec(["chat", "hi"])
    assert caught.value.exit_code == 4

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from localai.net import listener, sock_diag
from localai.net.listener import _listeners, listening_pid, listening_users, user_name


def test_on_a_mac_lsof_names_the_process_that_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, program = tmp_path / "said", tmp_path / "lsof"
    program.write_text(
        f'#!/bin/sh\necho "$@" > {said}\nprintf "p411\\ncollama\\np502\\ncLM Studio\\n"\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(listener, "LSOF", str(program))
    monkeypatch.setattr(listener, "_PLATFORM", "darwin")
    assert listening_pid(11434, "ollama") == 411
    assert said.read_text() == "-nP -sTCP:LISTEN -iTCP:11434 -Fpc\n"
    assert listening_pid(11434, "LM Studio") == 502
    assert listening_pid(11434, "llama-server") is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_process_that_listens_is_named() -> None:
    own_name = Path("/proc/self/comm").read_text().strip()
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.create_server((address, 0), family=family) as server:
            port = server.getsockname()[1]
            assert listening_pid(port, own_name) == os.getpid()
            assert listening_pid(port, "another-program") is None
        assert listening_pid(port, own_name) is None


def _refused() -> Iterator[tuple[bytes, int, int, int]]:
    raise PermissionError


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_the_kernel_s_diagnostics_tell_what_its_table_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bound = (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6), ("::", socket.AF_INET6))
    with ExitStack() as opened:
        servers = [
            opened.enter_context(socket.create_server((address, 0), family=family))
            for address, family in bound
        ]
        mapped = opened.enter_context(socket.socket(socket.AF_INET6))
        mapped.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        mapped.bind(("::ffff:127.0.0.1", 0))
        mapped.listen()
        ports = {each.getsockname()[1] for each in (*servers, mapped)}
        told = [each for each in _listeners() if each[1] in ports]
        users = listening_users("127.0.0.1", mapped.getsockname()[1])
        monkeypatch.setattr(listener, "listening_sockets", _refused)
        assert sorted(told) == sorted(each for each in _listeners() if each[1] in ports)
    assert sorted(address for address, *_ in told) == sorted(
        socket.inet_pton(socket.AF_INET6 if ":" in each else socket.AF_INET, each)
        for each in ("127.0.0.1", "::1", "::", "127.0.0.1")
    )
    assert {user for _, _, user, _ in told} == {os.getuid()}
    assert users == {user_name(os.getuid())}


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_a_kernel_that_does_not_tell_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sock_diag, "_BY_FAMILY", 99)
    with pytest.raises(OSError, match="does not tell which sockets listen"):
        list(sock_diag.listening_sockets())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_may_be_called_by_what_is_no_text() -> None:
    """Any user of the machine can name one so, and once that ended every look-up."""
    named = "import ctypes; ctypes.CDLL(None).prctl(15, b'\\xff\\xfe\\x1b[2J', 0, 0, 0)"
    waits = "print('named', flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{named}; {waits}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"named\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert listening_pid(server.getsockname()[1], "another-program") is None
    process.communicate(b"\n")

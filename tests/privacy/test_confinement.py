"""A confined program computes and prints; everything else is refused it, by the kernel."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import socket
import struct
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.privacy import confinement, landlock
from localai.privacy.confined_calls import CONFINED_CALLS
from localai.privacy.confinement import NOT_CONFINED, confined_command
from localai.privacy.seccomp import confined_filter
from tests.privacy.child import child_python
from tests.support.bpf import run_filter
from tests.support.clock import becomes

pytestmark = pytest.mark.skipif(
    confinement.unavailable() is not None, reason="Landlock is Linux's, and not every kernel's"
)

# Every line is one way out, and says what came of it.
WAYS_OUT = """
import ctypes, json, os, signal, socket, subprocess, sys
mine, other, port, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
libc = ctypes.CDLL(None, use_errno=True)

def native(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "native")

ways = {
    "reads a file": lambda: open(mine).read(),
    "reads the users": lambda: open("/etc/passwd").read(),
    "reads its environment": lambda: open("/proc/self/environ").read(),
    "reads another's command line": lambda: open(f"/proc/{other}/cmdline").read(),
    "lists a folder": lambda: os.listdir(os.path.dirname(mine)),
    "lists the root": lambda: os.listdir("/"),
    "opens the terminal": lambda: open("/dev/tty"),
    "writes a file": lambda: open(mine, "w"),
    "writes a new file": lambda: open(mine + ".new", "w"),
    "writes into /tmp": lambda: open("/tmp/localai-was-here", "w"),
    "cuts a file": lambda: os.truncate(mine, 0),
    "cuts a file by opening": lambda: os.open(mine, os.O_RDONLY | os.O_TRUNC),
    "removes a file": lambda: os.unlink(mine),
    "renames a file": lambda: os.rename(mine, mine + ".old"),
    "links a file": lambda: os.link(mine, mine + ".link"),
    "makes a folder": lambda: os.mkdir(mine + ".folder"),
    "changes a mode": lambda: os.chmod(mine, 0o777),
    "changes times": lambda: os.utime(mine, (1, 1)),
    "changes an attribute": lambda: os.setxattr(mine, "user.a", b"b"),
    "keeps memory in a file": lambda: os.write(os.memfd_create("x"), b"x"),
    "connects": lambda: socket.create_connection(("127.0.0.1", port), 2),
    "connects to a Unix socket": lambda: socket.socket(socket.AF_UNIX).connect(path),
    "asks the kernel's devices": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "has a pair that can be sent elsewhere":
        lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM),
    "forks": os.fork,
    "starts a program": lambda: subprocess.run(["/bin/true"]),
    "becomes a program": lambda: os.execv("/bin/sh", ["sh", "-c", "echo"]),
    "signals another": lambda: os.kill(other, 0),
    "lowers another": lambda: os.setpriority(os.PRIO_PROCESS, other, 19),
    "limits another": lambda: native(NUMBERS["prlimit64"], other, 7, 0, 0),
    "outlives its parent": lambda: libc.prctl(1, 0, 0, 0, 0) and native(-1),
    "reads the keyring": lambda: native(NUMBERS["keyctl"], 0, -3, 0),
    "leaves its namespace": lambda: native(NUMBERS["unshare"], 0x10000000),
    "takes a gigabyte and a half": lambda: bytearray(3 << 29),
    "has more than it was given": lambda: None if os.environ.keys() - {"LANG"} else native(-1),
}
found = {}
for name, way in ways.items():
    try:
        way()
        found[name] = "done"
    except (OSError, MemoryError) as error:
        found[name] = "refused"
print(json.dumps(found))
"""

# What programs do that do nothing to anybody.
HARMLESS = """
import asyncio, decimal, json, re, socket, sqlite3, sys, threading, zoneinfo
said = []
thread = threading.Thread(target=said.append, args=("thread",))
thread.start()
thread.join()

async def later():
    await asyncio.sleep(0.001)
    return "later"

said.append(asyncio.run(later()))
one, other = socket.socketpair()
one.send(b"pair")
said.append(other.recv(4).decode())
said.append(sqlite3.connect(":memory:").execute("select 'sqlite'").fetchone()[0])
said.append(input())
open("/dev/null", "w").write("x")
print(json.dumps(said))
"""

_NUMBERS = {
    "x86_64": {"prlimit64": 302, "keyctl": 250, "unshare": 272},
    "aarch64": {"prlimit64": 261, "keyctl": 219, "unshare": 97},
}


def confined(
    code: str, *arguments: str, seconds: int = 20, given: str = ""
) -> subprocess.CompletedProcess[str]:
    inner = [os.path.realpath(sys.executable), "-I", "-S", "-c", code, *arguments]
    return subprocess.run(
        confined_command(seconds, 1 << 30, inner),
        env=child_python({"SECRET": "x"}),
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def tcp_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def unix_path(localai_home: Path) -> Iterator[Path]:
    path = localai_home / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        yield path


def test_every_way_out_is_refused(tmp_path: Path, tcp_port: int, unix_path: Path) -> None:
    mine = tmp_path / "diary"
    mine.write_text("secret")
    code = f"NUMBERS = {_NUMBERS[platform.machine()]}\n{WAYS_OUT}"
    ended = confined(code, str(mine), str(os.getpid()), str(tcp_port), str(unix_path))
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert len(found) > 30
    assert {name for name, came in found.items() if came != "refused"} == set()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["diary"]
    assert mine.read_text() == "secret"
    assert mine.stat().st_mode & 0o777 != 0o777


def test_what_harms_nobody_works() -> None:
    ended = confined(HARMLESS, given="input\n")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == ["thread", "later", "pair", "sqlite", "input"]


def test_processor_time_ends() -> None:
    ended = confined("while True: pass", seconds=1)
    assert ended.returncode < 0


def test_it_ends_with_the_command_that_started_it() -> None:
    sleeper = [os.path.realpath(sys.executable), "-I", "-S", "-c", "import time; time.sleep(600)"]
    starter = textwrap.dedent(
        f"""
        import subprocess, time
        from localai.privacy.confinement import confined_command
        child = subprocess.Popen(confined_command(20, 1 << 30, {sleeper!r}))
        print(child.pid, flush=True)
        time.sleep(600)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", starter], env=child_python(), stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = Path("/proc") / parent.stdout.readline().strip()
        assert becomes(lambda: b"confinement" not in (child / "cmdline").read_bytes(), 30)
        parent.kill()
        assert becomes(
            lambda: not child.exists() or "Z" in (child / "stat").read_text().split(), 30
        )


def test_where_landlock_is_too_old_nothing_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "landlock_version", lambda _: 2)
    assert "this kernel has version 2" in (confinement.unavailable() or "")
    refused = landlock.confine_to(ctypes.CDLL(None), [Path("/")])
    assert refused is not None
    code = textwrap.dedent(
        """
        import sys
        from localai.privacy import confinement, landlock
        landlock.landlock_version = lambda _: 0
        command = [sys.executable, "-c", "print('it was run')"]
        confinement.become(["1", "5", "1000000000", *command])
        """
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=child_python(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == NOT_CONFINED
    assert ended.stdout == ""
    assert "this kernel has none" in ended.stderr


def test_on_another_system_nothing_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "only under Linux's Landlock" in (confinement.unavailable() or "")


# The filter itself, on both machines, by the instructions that the kernel would follow

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, REFUSE, UNKNOWN = 0x7FFF0000, 0x00050000 | errno.EACCES, 0x00050000 | errno.ENOSYS
machines = st.sampled_from(sorted(ARCHITECTURES))
THREAD = 0x3D0F00
"""The flags by which libc starts a thread."""


@given(machines, st.integers(0, 600))
def test_the_filter_refuses_what_the_table_says_and_nothing_else(machine: str, call: int) -> None:
    calls = CONFINED_CALLS[machine]
    by_argument = {calls.clone, calls.prctl, calls.prlimit64, calls.socketpair, 435}
    if call in by_argument:
        return
    assert _run_filter(machine, call) == (REFUSE if call in calls.refused else ALLOW)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_the_filter_allows_threads_and_what_is_done_to_oneself(machine: str) -> None:
    calls = CONFINED_CALLS[machine]
    verdicts = {
        "a thread": _run_filter(machine, calls.clone, THREAD),
        "a process": _run_filter(machine, calls.clone, 17),
        "clone3": _run_filter(machine, 435),
        "a name": _run_filter(machine, calls.prctl, 15),
        "another end": _run_filter(machine, calls.prctl, 1),
        "own limits": _run_filter(machine, calls.prlimit64, 0),
        "another's limits": _run_filter(machine, calls.prlimit64, 4711),
        "a pair of streams": _run_filter(machine, calls.socketpair, 1, 1 | 0o2000000),
        "a pair of datagrams": _run_filter(machine, calls.socketpair, 1, 2),
        "a pair of another family": _run_filter(machine, calls.socketpair, 30, 1),
    }
    assert verdicts == {
        "a thread": ALLOW,
        "a process": REFUSE,
        "clone3": UNKNOWN,
        "a name": ALLOW,
        "another end": REFUSE,
        "own limits": ALLOW,
        "another's limits": REFUSE,
        "a pair of streams": ALLOW,
        "a pair of datagrams": REFUSE,
        "a pair of another family": REFUSE,
    }
    assert confined_filter("sparc64") is None


def _run_filter(machine: str, number: int, first: int = 0, second: int = 0) -> int:
    program = confined_filter(machine)
    assert program is not None
    data = struct.pack("=IIQQQ", number, ARCHITECTURES[machine], 0, first, second)
    return run_filter(program, data)

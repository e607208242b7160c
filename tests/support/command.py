"""The real `localai` command as a child process, in a home of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from tests.support.fork_server import ForkServer
from tests.support.processes import bare_environment

REPOSITORY = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "localai")


class RunLocalai(Protocol):
    """Run `localai ARGUMENTS` to its end; stdout and stderr are bytes.

    `env` is added to the bare environment, a value of None takes a variable out. Raises
    TimeoutExpired after `timeout_s`.
    """

    def __call__(
        self,
        *arguments: str | Path,
        input: bytes | str | None = None,
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
        timeout_s: float = 120,
    ) -> subprocess.CompletedProcess[bytes]: ...


@pytest.fixture
def localai_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh LOCALAI_HOME, set for this process too; engines started under it are stopped.

    It is not in tmp_path: that name can be too long for a Unix socket inside.
    """
    home = Path(tempfile.mkdtemp(prefix="localai-"))
    monkeypatch.setenv("LOCALAI_HOME", str(home))
    yield home
    stop_processes_of(home)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def command_environment(localai_home: Path, tmp_path: Path) -> dict[str, str]:
    """What a user with an empty home has in the environment, and LOCALAI_HOME."""
    user_home = tmp_path / "user"
    user_home.mkdir()
    own = {"LOCALAI_HOME": str(localai_home), "PYTHONPATH": str(REPOSITORY)}
    return bare_environment(user_home) | own


@pytest.fixture(scope="session")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """Forks for command lines, so that an interpreter need not start for each."""
    server = ForkServer(bare_environment(tmp_path_factory.getbasetemp()))
    yield server
    server.close()


@pytest.fixture
def localai_module() -> str:
    """The module that `run_localai` runs; tests that change what the command meets have another."""
    return "localai"


@pytest.fixture
def run_localai(
    request: pytest.FixtureRequest,
    command_environment: dict[str, str],
    tmp_path: Path,
    fork_server: ForkServer,
    localai_module: str,
) -> RunLocalai:
    """A function that runs the real command to its end; see RunLocalai. In a fork of
    `fork_server`, unless that would make a difference."""
    is_real = request.node.get_closest_marker("real_process") is not None

    def run(
        *arguments: str | Path,
        input: bytes | str | None = None,
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
        timeout_s: float = 120,
    ) -> subprocess.CompletedProcess[bytes]:
        words = [str(each) for each in arguments]
        text = input.encode() if isinstance(input, str) else input
        environment, folder = merged(command_environment, env), cwd or tmp_path
        if not is_real and fork_server.can_run(words, environment, folder):
            return fork_server.run(
                words,
                input=text,
                env=environment,
                cwd=folder,
                timeout_s=timeout_s,
                module=localai_module,
            )
        return subprocess.run(
            [sys.executable, "-m", localai_module, *words],
            input=text,
            stdin=subprocess.DEVNULL if input is None else None,
            env=environment,
            cwd=folder,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )

    return run


def merged(
    environment: Mapping[str, str], changes: Mapping[str, str | None] | None
) -> dict[str, str]:
    """`environment` with `changes`; a value of None takes the variable out."""
    changed = {**environment, **(changes or {})}
    return {name: value for name, value in changed.items() if value is not None}


def stop_processes_of(home: Path, *, but: int | None = None) -> None:
    """End the processes that carry this LOCALAI_HOME, engine workers above all, and spare `but`.

    By the environment and not by the program's own `stop`, which is under test.
    """
    found = []
    for pid in _pids_of(home):
        with suppress(psutil.NoSuchProcess):
            if pid != but:
                found.append(psutil.Process(pid))
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    deadline = time.monotonic() + 5
    while any(map(_lives, found)) and time.monotonic() < deadline:
        time.sleep(0.005)
    for process in filter(_lives, found):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _lives(process: psutil.Process) -> bool:
    """Whether it has not ended. Where the system's first process collects what has ended once a
    second or two, psutil's own `wait_procs` waits for that."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _pids_of(home: Path) -> Iterator[int]:
    if not Path("/proc/self/environ").exists():
        for process in psutil.process_iter():
            with suppress(psutil.Error):  # somebody else's, or gone
                if process.environ().get("LOCALAI_HOME") == str(home):
                    yield process.pid
        return
    # Each test with a home asks: psutil takes 9 ms to look at 200 processes, and this 2.
    wanted = f"LOCALAI_HOME={home}".encode()
    for folder in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208
        with suppress(OSError), open(f"/proc/{folder}/environ", "rb") as file:  # noqa: PTH123
            if wanted in file.read().split(b"\0"):
                yield int(folder)

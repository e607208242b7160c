"""Server processes that tests start: on loopback, with a log, gone at the end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

STARTUP_TIMEOUT_S = 30.0

# Beside other tests' programs most of an engine's processor time is its threads' waiting for one
# another: 7.1 s for a start and 120 tokens of SmolLM2 on two busy cores, without it 2.9 s. This
# changes no token. What an engine gets where nobody says it is in tests/engine/test_lifecycle.py.
WITHOUT_SPINNING = {"GOMP_SPINCOUNT": "0"}


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def bare_environment(home: Path) -> dict[str, str]:
    """What a child gets of our environment: a search path and a home, no proxies, no keys."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    return environment | WITHOUT_SPINNING


@contextmanager
def running_server(
    command: Sequence[str | Path], environment: Mapping[str, str], port: int, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server from when it listens on `port` until the end of the block, children included.

    Raises AssertionError, with the end of its log, if it does not come up.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_listening(process, port, log)
        yield process
    finally:
        _stop_session(process)


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + STARTUP_TIMEOUT_S
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        died = process.poll() is not None
        if died or time.monotonic() > deadline:
            what = f"died with {process.returncode}" if died else "does not listen"
            raise AssertionError(f"{process.args!r} {what}:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)


def _stop_session(process: subprocess.Popen[bytes]) -> None:
    """Ask nicely, then kill what is left of the process group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

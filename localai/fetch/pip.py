"""pip as a child process that downloads, with the user's own index, proxy and certificates.

The guard does not see a child's connections, so those that pip names in its log are reported.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

from localai.errors import (
    InsufficientResources,
    InvalidInput,
    LocalaiError,
    NotFound,
    ProviderRefused,
    Unreachable,
)
from localai.privacy import guard
from localai.privacy.environment import child_environment

OnConnect = Callable[[str, int], None]
"""Called with the host and port of each connection that pip says it makes."""

_POLL_S: Final = 0.1
# The line of a connection in the log of pip's HTTP library with -vv, in every version since 10.
_CONNECTION: Final = re.compile(r"Starting new HTTPS? connection \(\d+\): ([^\s/]+):(\d+)")
_NETWORK_TROUBLE: Final = re.compile(
    r"NewConnectionError|Connection(?:Error|ResetError| broken| refused)|Timeout|timed out"
    r"|NameResolutionError|Temporary failure|Network is unreachable|SSLError|CERTIFICATE_VERIFY"
    r"|ProxyError|IncompleteRead|ProtocolError|5\d\d Server Error|(?:407|429) Client Error"
)
_REFUSED: Final = re.compile(r"(?:401|403) Client Error")
_CERTIFICATE_TROUBLE: Final = re.compile(r"SSLError|CERTIFICATE_VERIFY")
_MISSING: Final = re.compile(r"No matching distribution|Could not find a version")


# Its standard input is a pipe that nobody writes to: the kernel closes it when we end, however we
# end, and pip does not go on alone.
_ENDING_WITH_US: Final = """
import os, runpy, threading
threading.Thread(target=lambda: os.read(0, 1) or os._exit(1), daemon=True).start()
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def require_pip(what: str) -> None:
    """Raise NotFound if this Python has no pip to fetch `what`."""
    if find_spec("pip") is None:
        raise NotFound(
            f"{sys.executable} has no pip, which fetches {what}",
            command=(sys.executable, "-m", "ensurepip"),
        )


@contextlib.contextmanager
def pip_download(
    requirements: Path,
    folder: Path,
    log: Path,
    *,
    options: Sequence[str] = (),
    inherit: tuple[int, ...] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """A running pip that puts the wheels of `requirements`, which must state their hashes, into
    `folder`. It is ended at the end of the block. Its temporary files are in `folder`, its output
    in `log`. With descriptors to `inherit`, which it keeps open, it goes on if we are killed;
    without, it ends with us."""
    # -P keeps a pip.py in the current folder from being taken for pip.
    pip = ["-m", "pip"] if inherit else ["-c", _ENDING_WITH_US]
    command = [sys.executable, "-P", *pip, "download", "-vv", "--no-input"]
    command += ["--progress-bar", "off", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    command += ["--requirement", str(requirements), "--dest", str(folder), *options]
    with log.open("wb") as output, guard.child("pip fetches wheels from the user's own index"):
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if inherit else subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**child_environment("pip"), "TMPDIR": str(folder)},
            pass_fds=inherit,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


def waited_for(
    process: subprocess.Popen[bytes], log: Path, on_connect: OnConnect
) -> Iterator[None]:
    """Yield a few times a second until pip has ended, and report each connection in its log."""
    with log.open(errors="replace") as lines:
        while True:
            finished = process.poll() is not None
            _report_connections(lines, on_connect)
            if finished:
                return
            yield
            time.sleep(_POLL_S)


def pip_failure(what: str, log: str, file_name: str) -> LocalaiError:
    """The error for the failure in pip's `log`; `what` is what it should fetch. `file_name` is the
    wheel's, as in a folder for a machine without a network."""
    if "No space left on device" in log:
        return InsufficientResources(
            f"the disk is full: {what} could not be stored", check="disk-full"
        )
    if not log.strip():
        return InsufficientResources(
            f"{what} was not fetched: there was no room even for what pip has to say",
            hint="make room, or raise the limit: ulimit -a",
            check="disk-full",
        )
    if _CERTIFICATE_TROUBLE.search(log):
        return Unreachable(
            f"the package index's certificate is not trusted here, so {what} was not fetched",
            hint="tell pip which authority signs: pip config set global.cert /path/to/your/ca.pem",
            check="network --online",
        )
    if _NETWORK_TROUBLE.search(log):
        return Unreachable(
            f"the package index cannot be reached, so {what} was not fetched",
            hint="check the network, or your mirror and proxy",
            command="pip config list",
            check="network --online",
        )
    if _REFUSED.search(log):
        return ProviderRefused(
            f"the package index refuses to serve {what} without the right credentials",
            command="pip config list",
        )
    if _MISSING.search(log):
        return NotFound(
            f"the configured package index has no {what}",
            hint=f"offline: PIP_FIND_LINKS=/a/folder/with/{file_name}",
            command="pip config list",
        )
    if "DO NOT MATCH THE HASHES" in log:
        return InvalidInput(
            f"the package index served another {what} than the known one", command="pip config list"
        )
    errors = [line for line in log.splitlines() if "ERROR" in line] or log.splitlines()[-1:]
    return Unreachable(f"pip could not fetch {what}: {' '.join(errors[:1])}")


def _report_connections(lines: IO[str], on_connect: OnConnect) -> None:
    for match in _CONNECTION.finditer(lines.read()):
        on_connect(match[1], int(match[2]))

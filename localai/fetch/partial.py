"""An unfinished file: its bytes, how far each chunk is, and one writer at a time.

Two files in a staging folder beside the store: `KEY.part` has the final size from the start, and
`KEY.state` says which file the bytes belong to and how many of each chunk there are. The count is
written after the bytes, so a process that is killed loses at most the bytes in flight. A power cut
may leave counts of bytes that never reached the disk; the SHA-256 of the whole file shows that
before the file gets its name.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from localai.dataclass import dataclass
from localai.durable import put_on_disk
from localai.errors import InsufficientResources, InvalidInput, LocalaiError
from localai.files import sync_folder
from localai.locks import try_lock

CHUNK_BYTES: Final = 32 << 20
_FORMAT: Final = 1
# macOS has no fdatasync.
_sync_data = getattr(os, "fdatasync", put_on_disk)
_COUNT = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on a server, and where it goes.

    `sha256` (hex) is the published digest, None if there is none; then `validator`, the server's
    ETag or date, says whether a file is still the same. `ranges`: the server sends parts of it.
    `staging` is a folder on the target's file system.
    """

    name: str
    url: str
    size_bytes: int
    target: Path
    staging: Path
    sha256: str | None = None
    validator: str | None = None
    ranges: bool = True

    @property
    def key(self) -> str:
        """The name of the unfinished file, the same for every process that fetches this one."""
        return self.sha256 or hashlib.sha256(self.url.encode()).hexdigest()


class Partial:
    """The unfinished `file`, resumed or begun. Different threads may write different chunks.

    `resumed_bytes` is what an earlier run left. Raises InvalidInput if it cannot be written.
    """

    def __init__(self, file: RemoteFile) -> None:
        self.file = file
        self._path = file.staging / f"{file.key}.part"
        self._state_path = file.staging / f"{file.key}.state"
        self._head = json.dumps(_identity(file)).encode() + b"\n"
        count = max(1, -(-file.size_bytes // CHUNK_BYTES))
        self._done = self._read_state(count)
        self.resumed_bytes = sum(self._done)
        self._front = 0
        with _writing(self._path):
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            self._data = os.open(self._path, flags, 0o644)
            self._state = os.open(self._state_path, flags, 0o600)
            os.truncate(self._data, file.size_bytes)
            counts = b"".join(map(_COUNT.pack, self._done))
            os.truncate(self._state, 0)
            os.pwrite(self._state, self._head + counts, 0)

    @property
    def done_bytes(self) -> int:
        """How many bytes have arrived."""
        return sum(self._done)

    @property
    def front(self) -> int:
        """How many bytes have arrived without a gap from the start."""
        last = len(self._done) - 1
        while self._front < last and self._done[self._front] == CHUNK_BYTES:
            self._front += 1
        return self._front * CHUNK_BYTES + self._done[self._front]

    def missing(self) -> list[int]:
        """The numbers of the incomplete chunks, in order."""
        return [chunk for chunk in range(len(self._done)) if self.gap(chunk) is not None]

    def span(self, chunk: int) -> tuple[int, int]:
        """Where `chunk` begins and ends, in bytes of the file."""
        return chunk * CHUNK_BYTES, min((chunk + 1) * CHUNK_BYTES, self.file.size_bytes)

    def gap(self, chunk: int) -> tuple[int, int] | None:
        """Where the missing end of `chunk` begins and ends; None if nothing is missing."""
        start, end = self.span(chunk)
        return (start + self._done[chunk], end) if start + self._done[chunk] < end else None

    def append(self, chunk: int, piece: bytes) -> None:
        """Add the next bytes of `chunk`, at most up to its end. Raises InsufficientResources."""
        with _writing(self._path):
            position = chunk * CHUNK_BYTES + self._done[chunk]
            view = memoryview(piece)
            while view:
                written = os.pwrite(self._data, view, position)
                position += written
                view = view[written:]
            self._done[chunk] += len(piece)
            count = _COUNT.pack(self._done[chunk])
            os.pwrite(self._state, count, len(self._head) + chunk * _COUNT.size)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes that have arrived."""
        return os.pread(self._data, length, offset)

    def settle(self) -> None:
        """Put the bytes that have arrived on the disk."""
        with _writing(self._path):
            _sync_data(self._data)

    def restart(self) -> None:
        """Discard the count of what has arrived, so that everything is fetched again."""
        self._done = [0] * len(self._done)
        self._front = 0
        self.resumed_bytes = 0
        with _writing(self._path):
            os.pwrite(self._state, bytes(len(self._done) * _COUNT.size), len(self._head))

    def finish(self) -> None:
        """Put the whole file on the disk, then rename it to its target."""
        target = self.file.target
        with _writing(target):
            put_on_disk(self._data)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._path.replace(target)
            sync_folder(target.parent)
        self._state_path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete what has arrived."""
        for path in (self._path, self._state_path):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files; a later run may resume them."""
        os.close(self._data)
        os.close(self._state)

    def _read_state(self, count: int) -> list[int]:
        """How many bytes an earlier run left of each chunk; zeros if there are none, or they are
        another file's."""
        nothing = [0] * count
        if self.file.sha256 is None and self.file.validator is None:
            return nothing
        try:
            content = self._state_path.read_bytes()
            if not content.startswith(self._head) or not self._path.is_file():
                return nothing
            done = [number for (number,) in _COUNT.iter_unpack(content[len(self._head) :])]
        except (OSError, struct.error):
            return nothing
        spans = map(self.span, range(count))
        if len(done) != count or any(
            n > end - at for n, (at, end) in zip(done, spans, strict=True)
        ):
            return nothing
        return done


def left_bytes(file: RemoteFile) -> int:
    """How many bytes of `file` an earlier run left in its staging folder. Changes nothing."""
    state = file.staging / f"{file.key}.state"
    head = json.dumps(_identity(file)).encode() + b"\n"
    try:
        content = state.read_bytes()
        if content.startswith(head):
            return sum(number for (number,) in _COUNT.iter_unpack(content[len(head) :]))
    except (OSError, struct.error):
        pass
    return 0


def is_other_file(file: RemoteFile) -> bool:
    """Whether the bytes that an earlier run left are of another file than the one at this address
    now."""
    state = file.staging / f"{file.key}.state"
    try:
        return not state.read_bytes().startswith(json.dumps(_identity(file)).encode() + b"\n")
    except OSError:
        return False


class DownloadLock:
    """The right to fetch a file, which one process has at a time. `take` does not wait."""

    def __init__(self, file: RemoteFile) -> None:
        self._path = file.staging / f"{file.key}.lock"
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Take the right until `release` or the end of the process, however it ends. Returns False
        if another process has it."""
        with _writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = try_lock(self._path)
        if descriptor is None:
            return False
        with contextlib.suppress(OSError):
            # The previous owner may have removed the file that we opened.
            if os.fstat(descriptor).st_ino == self._path.stat().st_ino:
                self._descriptor = descriptor
                return True
        os.close(descriptor)
        return False

    def release(self) -> None:
        """Give the right back, and leave no file and no empty folder."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None
            with contextlib.suppress(OSError):
                self._path.parent.rmdir()


def disk_error(error: OSError, path: Path) -> LocalaiError:
    """The error for a failure to write at `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InsufficientResources(
            f"the disk is full: {path.parent} could not take all of it",
            hint="make room and run the same command again: what has arrived is kept",
            check="disk-full",
        )
    if error.errno == errno.EFBIG:
        return InsufficientResources(f"the file system of {path.parent} takes no file so large")
    return InvalidInput(f"{path} cannot be written: {error.strerror or error}")


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise disk_error(error, path) from error


def _identity(file: RemoteFile) -> dict[str, int | str | None]:
    # Without a digest, the bytes belong to an address and its validator at the time.
    validator = file.validator if file.sha256 is None else file.sha256
    return {"format": _FORMAT, "chunk": CHUNK_BYTES, "size": file.size_bytes, "of": validator}

"""Files on disk: paths that a user names, atomic writes, whether two files are the same, and
hashes.

Knows nothing of the content of files.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import IO, Final, TypeVar

from localai.durable import put_on_disk
from localai.errors import InvalidInput, NotFound
from localai.units import mebibytes_text

_PIECE_BYTES: Final = 1 << 20
_Event = TypeVar("_Event")


def as_path(text: str) -> Path | None:
    """`text` as a path, if a user wrote one in the place of a name; None if it is a name.

    A path is . or .., or begins with /, ./, ../ or ~. So is the relative path of an existing file
    that has a slash or ends with .gguf: `qwen3` stays a name whatever lies in the current folder.
    """
    path = Path(os.path.expanduser(text))  # noqa: PTH111 (it does not raise for ~nobody)
    if text in (".", "..") or text.startswith(("/", "./", "../", "~")):
        return path
    written_as_file = "/" in text or text.lower().endswith(".gguf")
    return path if written_as_file and is_file(path) else None


def lies_here(name: str) -> str | None:
    """What there is in the current folder under a name that is about to be looked up elsewhere,
    `folder` or `file`; None if there is nothing."""
    try:
        if not name or not os.path.lexists(name):
            return None
    except ValueError:
        return None
    return "folder" if is_folder(Path(name)) else "file"


def missing_file(path: Path) -> NotFound:
    """The error for a file that a user named and that is not there."""
    return NotFound(f"there is no file {str(path)!r}", command=("ls", path.parent))


def content_of(path: Path, most_bytes: int, *, missing: NotFound | None = None) -> bytes:
    """All of a file that a user named.

    Raises InvalidInput if it cannot be read or has more than `most_bytes`, and NotFound (`missing`,
    where that says more) if it is not there.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except FileNotFoundError as error:
        raise missing or missing_file(path) from error
    except IsADirectoryError as error:
        raise InvalidInput(f"{str(path)!r} is a folder", hint="name a file in it") from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InvalidInput(f"cannot read {str(path)!r}: {why}") from error
    if len(content) > most_bytes:
        raise InvalidInput(f"{path} has more than {mebibytes_text(most_bytes)}")
    return content


def require_place_for(path: Path) -> None:
    """Raise InvalidInput if no file can be written at `path`: its folder is not there, or it is one
    itself."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise InvalidInput(f"there is no folder {folder}", command=("mkdir", "-p", folder))
    if path.is_dir():
        raise InvalidInput(f"{str(path)!r} is a folder", hint="name a file in it")


def cannot_write(path: Path, error: OSError) -> InvalidInput:
    """The error for a file that a user named and that could not be written."""
    try:
        require_place_for(path)
    except InvalidInput as cause:
        return cause
    return InvalidInput(f"cannot write {path}: {error.strerror}")


def write_named(path: Path, content: bytes) -> None:
    """Replace the file that a user named with `content` (mode 0600), whole or not at all. Raises
    InvalidInput if that is impossible."""
    try:
        write_atomically(path, content)
    except OSError as error:
        raise cannot_write(path, error) from error


def user_path(text: str) -> Path:
    """The path that a person wrote, `~` being the home where nothing here is called so."""
    try:
        if os.path.lexists(text):
            return Path(text)
    except (OSError, ValueError):
        pass
    return Path(os.path.expanduser(text))  # noqa: PTH111 (it does not raise for ~nobody)


def is_folder(path: Path) -> bool:
    """Whether there is a folder at `path`; False where we may not look or nothing can be."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Whether there is a file at `path`; False if we may not look."""
    try:
        return path.is_file()
    except OSError:
        return False


def write_atomically(target: Path, content: bytes) -> None:
    """Replace `target` with `content` (mode 0600), whole or not at all, also across a power cut.

    Raises OSError.
    """
    from localai.temporary import temporary_file

    with temporary_file(target, [content]) as temporary:
        temporary.replace(target)


def create_atomically(target: Path, content: Iterable[bytes]) -> None:
    """Make the file `target` from the pieces of `content` (mode 0600), whole or not at all.

    Raises FileExistsError if it exists already, OSError, and what the pieces raise.
    """
    from localai.temporary import temporary_file

    if target.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    with temporary_file(target, content) as temporary:
        try:
            # Unlike a rename, a link does not replace a file that another process made meanwhile.
            target.hardlink_to(temporary)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links, as on many sticks
            temporary.rename(target)


@contextlib.contextmanager
def written_whole(target: Path) -> Iterator[IO[bytes]]:
    """A file into which to write a large `target`. At the end of the block it is put on the disk
    and renamed.

    An exception removes it. Its name is always `.NAME.part`, so the next run overwrites what a
    killed one left, and only one process at a time may write. Raises OSError.
    """
    temporary = target.with_name(f".{target.name}.part")
    try:
        with temporary.open("wb") as output:
            yield output
            output.flush()
            put_on_disk(output.fileno())
        temporary.replace(target)
        sync_folder(target.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Put the renames in `folder` on the disk; also takes a file. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        put_on_disk(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """The SHA-256 of the file at `path`, in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_file(path: Path, tell: Callable[[int], _Event]) -> Generator[_Event, None, str]:
    """Yields `tell(bytes_read)` while it reads the file; returns its SHA-256 in hex. Raises
    OSError."""
    with path.open("rb", buffering=0) as file:
        return (yield from _hash_pieces(iter(lambda: file.read(_PIECE_BYTES), b""), tell))


def copy_and_hash(
    source: IO[bytes], target: IO[bytes], size_bytes: int, tell: Callable[[int], _Event]
) -> Generator[_Event, None, str]:
    """Copy `source` to `target`. Yields `tell(bytes_done)`; returns the SHA-256 of the copied bytes
    in hex.

    If the source is longer than `size_bytes`, one byte more is copied: so the hash differs, and an
    endless source does not fill the disk. Raises OSError.
    """

    def pieces() -> Iterator[bytes]:
        left = size_bytes + 1
        while left and (piece := source.read(min(_PIECE_BYTES, left))):
            target.write(piece)
            left -= len(piece)
            yield piece

    return (yield from _hash_pieces(pieces(), tell))


def same_content(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether two `stat` results are of the same file with the same content, as far as they can
    tell.

    The inode's time of change is left out, because a hard link changes it.
    """
    return _content_numbers(before) == _content_numbers(after)


def content_key(path: Path) -> str:
    """A text that stays the same as long as the file or folder at `path`, under whichever name, has
    the same content, by the rule of `same_content`. Raises OSError."""
    return "-".join(map(str, _content_numbers(path.stat())))


def inode_of(status: os.stat_result) -> tuple[int, int]:
    """The device and the inode, which all names of one file share."""
    return status.st_dev, status.st_ino


def _content_numbers(status: os.stat_result) -> tuple[int, ...]:
    return (*inode_of(status), status.st_size, status.st_mtime_ns)


def _hash_pieces(
    pieces: Iterable[bytes], tell: Callable[[int], _Event]
) -> Generator[_Event, None, str]:
    digest = hashlib.sha256()
    done_bytes = 0
    for piece in pieces:
        digest.update(piece)
        done_bytes += len(piece)
        yield tell(done_bytes)
    return digest.hexdigest()


def bytes_once(statuses: Iterable[os.stat_result]) -> int:
    """The sizes of the files with these statuses; one that has several of the names counts
    once."""
    return sum({inode_of(status): status.st_size for status in statuses}.values())


def freed_bytes(statuses: Iterable[os.stat_result]) -> int:
    """How many bytes on disk are freed by removing the names with these statuses: the sizes of
    files that have no other name."""
    names: dict[tuple[int, int], list[os.stat_result]] = {}
    for status in statuses:
        names.setdefault(inode_of(status), []).append(status)
    return sum(
        found[0].st_blocks * 512 for found in names.values() if len(found) >= found[0].st_nlink
    )

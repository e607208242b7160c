"""A file of a batch's records: one JSON document a line, each whole.

A record is written by a single call. A torn last line, which a kill can leave, is cut off when the
file is opened. Of each record only the offset, the fingerprint and whether it failed are in memory:
17 bytes a line.
"""

from __future__ import annotations

import json
import os
import re
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path

from localai.dataclass import dataclass
from localai.durable import put_on_disk
from localai.errors import InvalidInput
from localai.files import cannot_write, inode_of

SCHEMA = "localai.batch/1"
_BEGINNING = json.dumps({"schema": SCHEMA}).removesuffix("}").encode()
_CHUNK_BYTES = 1 << 16
_REQUEST = re.compile("[0-9a-f]{16}")
# The highest plausible line number; above it the file was edited by hand.
_MOST_LINES = 100_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A record in the file: which line of the input it answers, and where it is."""

    number: int
    fingerprint: int
    failed: bool
    offset: int
    content: bytes


def record_line(document: Mapping[str, object]) -> bytes:
    """A record in the form that the file holds. `document` begins with its `schema`. It has the
    `line` and the `request` that `entries` reads back, and an `error` if the line failed."""
    # JSON can carry a lone surrogate, UTF-8 cannot: it is written as its JSON escape.
    return json.dumps(document, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"


class RecordFile:
    """The records in `path`; the file is created if it is missing. Raises InvalidInput if it is not
    a file of records."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise cannot_write(path, error) from error
        self._end = 0
        self._offsets = array("Q")
        self._fingerprints = array("Q")
        self._failed = array("b")
        self._count = 0
        self._stale_bytes = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, number: int) -> bool:
        return number < len(self._offsets) and self._offsets[number] > 0

    @property
    def last(self) -> int:
        """The highest number of a line with a record; 0 if there is none."""
        return max(0, len(self._offsets) - 1)

    def numbers(self, first: int = 1) -> Iterator[int]:
        """The lines from `first` on that have a record here, in the input's order."""
        return (number for number in range(first, len(self._offsets)) if self._offsets[number])

    def entries(self) -> Iterator[Entry]:
        """Yields every whole record in file order, then cuts off a torn last line.

        Raises InvalidInput if something in the file is no record.
        """
        with self.path.open("rb") as stream:
            beginning = stream.read(len(_BEGINNING))
            if not _BEGINNING.startswith(beginning):
                raise self._foreign(1)
            stream.seek(0)
            offset = 0
            for row, content in enumerate(stream, start=1):
                if not content.endswith(b"\n"):
                    break
                yield self._entry(content, offset, row)
                offset += len(content)
        self.cut(offset)

    def fingerprint(self, number: int) -> int:
        """The fingerprint in the record of a line that is in the file."""
        return self._fingerprints[number]

    def has_failed(self, number: int) -> bool:
        """Whether the record of a line that is in the file is one of a failure."""
        return bool(self._failed[number])

    def note(self, entry: Entry) -> None:
        """Remember where the record is."""
        self._note(entry.number, entry.fingerprint, entry.failed, entry.offset)

    def append(self, number: int, content: bytes, fingerprint: int, *, failed: bool) -> None:
        """Write a record at the end. Raises OSError (a full disk) and leaves the file whole. Raises
        InvalidInput if another program has changed the file during this run."""
        self.require_untouched()
        try:
            _write(self.descriptor, content, self._end)
        except OSError:
            os.ftruncate(self.descriptor, self._end)
            raise
        self._note(number, fingerprint, failed, self._end)
        self._end += len(content)

    def require_untouched(self) -> None:
        """Raise InvalidInput if another program cut, replaced, moved or removed the file."""
        held = os.fstat(self.descriptor)
        try:
            there = inode_of(self.path.stat()) == inode_of(held)
        except OSError:
            there = False
        if not there or held.st_size != self._end:
            raise InvalidInput(
                f"somebody else changed {self.path} while the batch was writing it",
                hint="the same command goes on with what is there",
            )

    def read(self, number: int) -> bytes:
        """The record of a line that is in the file."""
        offset = self._offsets[number] - 1
        content = b""
        while not content.endswith(b"\n"):
            chunk = os.pread(self.descriptor, _CHUNK_BYTES, offset + len(content))
            if not chunk:
                self.require_untouched()
            end = chunk.find(b"\n")
            content += chunk if end < 0 else chunk[: end + 1]
        return content

    def forget(self, number: int) -> None:
        """Drop the record: it has been copied elsewhere."""
        self._stale_bytes += len(self.read(number))
        self._offsets[number] = 0
        self._count -= 1

    def compact(self, stale_bytes: int) -> None:
        """Give back the space of dropped records: all of it if none is left, else once they take
        more than `stale_bytes` and half of the file."""
        if not self:
            self.cut(0)
            self._stale_bytes = 0
        elif self._stale_bytes > max(stale_bytes, self._end // 2):
            self._rewrite()

    def end_before(self, number: int) -> None:
        """Remove the records from that line on, of a file in the input's order. There must be at
        least one."""
        first = next(self.numbers(number))
        self.cut(self._offsets[first] - 1)
        self._count -= sum(1 for _ in self.numbers(number))
        end = number
        while end and not self._offsets[end - 1]:
            end -= 1
        for column in (self._offsets, self._fingerprints, self._failed):
            del column[end:]

    def cut(self, offset: int) -> None:
        """End the file at `offset`."""
        self._end = offset
        if os.fstat(self.descriptor).st_size != offset:
            os.ftruncate(self.descriptor, offset)

    def remove(self) -> None:
        """Close the file and delete it."""
        os.close(self.descriptor)
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file after its content has reached the disk. Raises InvalidInput if the file no
        longer has what was written."""
        try:
            put_on_disk(self.descriptor)
            self.require_untouched()
        finally:
            os.close(self.descriptor)

    def _note(self, number: int, fingerprint: int, failed: bool, offset: int) -> None:
        missing = number + 1 - len(self._offsets)
        if missing > 0:
            self._offsets.extend(bytes(missing))
            self._fingerprints.extend(bytes(missing))
            self._failed.extend(bytes(missing))
        self._count += number not in self
        self._offsets[number] = offset + 1
        self._fingerprints[number] = fingerprint
        self._failed[number] = failed

    def _rewrite(self) -> None:
        temporary = self.path.with_name(self.path.name + ".new")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        end = 0
        for number in self.numbers():
            content = self.read(number)
            _write(descriptor, content, end)
            self._offsets[number] = end + 1
            end += len(content)
        temporary.replace(self.path)
        os.close(self.descriptor)
        self.descriptor, self._end, self._stale_bytes = descriptor, end, 0

    def _entry(self, content: bytes, offset: int, row: int) -> Entry:
        try:
            document = json.loads(content)
            number, request = document["line"], document["request"]
            if document["schema"] != SCHEMA or type(number) is not int:
                raise ValueError
            if not 1 <= number <= _MOST_LINES or not _REQUEST.fullmatch(request):
                raise ValueError
            return Entry(
                number=number,
                fingerprint=int(request, 16),
                failed=document.get("error") is not None,
                offset=offset,
                content=content,
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._foreign(row) from error

    def _foreign(self, row: int) -> InvalidInput:
        return InvalidInput(
            f"{self.path} is there and no output of a batch (see its line {row})",
            hint="give another --output FILE",
        )


def _write(descriptor: int, content: bytes, offset: int) -> None:
    written = 0
    while written < len(content):
        written += os.pwrite(descriptor, content[written:], offset + written)

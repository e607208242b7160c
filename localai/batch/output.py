"""Where a batch's records go: a file that a later run continues, or a stream.

If the input's order is kept, a record that is finished before its turn waits in `FILE.ahead`. So
whatever is computed is on the disk at once, and a kill costs only the requests under way.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from localai.batch.record_file import RecordFile
from localai.errors import InvalidInput
from localai.locks import lock_descriptor

# Rewrite the `.ahead` file once this many bytes in it are obsolete.
_COMPACT_BYTES = 16 << 20


class RecordOutput(Protocol):
    """Takes records. A line is placed when its record has its final place in the output; `expect`
    and `write` return how many lines they placed."""

    def finished(self, number: int) -> int | None:
        """The fingerprint of the record that an earlier run left for the line; None if there is
        none."""

    def has_failed(self, number: int) -> bool:
        """Whether that record is one of a failure."""

    @property
    def last(self) -> int:
        """The highest number of a line that has a record; 0 if there is none."""

    def expect(self, number: int) -> int:
        """Announce that this line is next. Returns how many lines this placed."""

    def write(self, number: int, record: bytes, fingerprint: int, *, failed: bool) -> int:
        """Take the record of a line that was announced. Returns how many lines this placed."""

    def close(self) -> None:
        """End the output. Everything that could be written was written."""


class Stream:
    """Records on stdout or into a pipe. Nothing is known of earlier runs. `make_way` is called
    before records are written: the progress may stand on the same terminal."""

    def __init__(
        self, stream: BinaryIO, *, ordered: bool, make_way: Callable[[], None] = lambda: None
    ) -> None:
        self._stream = stream
        self._make_way = make_way
        self._turns: deque[int] | None = deque() if ordered else None
        self._waiting: dict[int, bytes] = {}

    def finished(self, number: int) -> int | None:
        """None: a stream has no earlier records."""
        return None

    def has_failed(self, number: int) -> bool:
        """False: a stream has no earlier records."""
        return False

    @property
    def last(self) -> int:
        """0: a stream has no earlier records."""
        return 0

    def expect(self, number: int) -> int:
        """Remember the order of the lines."""
        if self._turns is not None:
            self._turns.append(number)
        return 0

    def write(self, number: int, record: bytes, fingerprint: int, *, failed: bool) -> int:
        """Write the records whose turn it is."""
        if self._turns is None:
            return self._write([record])
        self._waiting[number] = record
        records = []
        while self._turns and self._turns[0] in self._waiting:
            records.append(self._waiting.pop(self._turns.popleft()))
        return self._write(records)

    def _write(self, records: list[bytes]) -> int:
        if records:
            self._make_way()
            self._stream.writelines(records)
            self._stream.flush()
        return len(records)

    def close(self) -> None:
        """Do nothing: whoever opened the stream closes it."""


class AsCompleted:
    """A file with the records in the order in which they are finished."""

    def __init__(self, records: RecordFile, ahead: RecordFile) -> None:
        self._records = records
        self._ahead = ahead

    def finished(self, number: int) -> int | None:
        """The fingerprint in the file."""
        return self._records.fingerprint(number) if number in self._records else None

    def has_failed(self, number: int) -> bool:
        """Whether the record in the file is one of a failure."""
        return self._records.has_failed(number)

    @property
    def last(self) -> int:
        """The highest number in the file."""
        return self._records.last

    def expect(self, number: int) -> int:
        """A line that has a record in the file is placed."""
        return int(number in self._records)

    def write(self, number: int, record: bytes, fingerprint: int, *, failed: bool) -> int:
        """Append the record to the file."""
        self._records.append(number, record, fingerprint, failed=failed)
        return 1

    def close(self) -> None:
        """Close the file. Remove the `.ahead` file, which has nothing of its own."""
        try:
            self._records.close()
        finally:
            self._ahead.remove()


class InOrder:
    """A file with the records in the order of the input. With `retry_failed`, the record of a
    failure is dropped when its line's turn comes."""

    def __init__(self, records: RecordFile, ahead: RecordFile, *, retry_failed: bool) -> None:
        self._records = records
        self._ahead = ahead
        self._retry_failed = retry_failed
        self._turns: deque[int] = deque()

    def finished(self, number: int) -> int | None:
        """The fingerprint in the file, or in `.ahead`."""
        file = self._holder(number)
        return None if file is None else file.fingerprint(number)

    def has_failed(self, number: int) -> bool:
        """Whether the record, in the file or in `.ahead`, is one of a failure."""
        file = self._holder(number)
        return file is not None and file.has_failed(number)

    @property
    def last(self) -> int:
        """The highest number in the file and in `.ahead`."""
        return max(self._records.last, max(self._ahead.numbers(), default=0))

    def expect(self, number: int) -> int:
        """A line in the file is placed; a waiting record is placed if it is its turn."""
        if self._keeps(number):
            return 1
        if number <= self._records.last:
            self._make_way(number)
        self._turns.append(number)
        return self._settle()

    def write(self, number: int, record: bytes, fingerprint: int, *, failed: bool) -> int:
        """Write the record to the file if it is the line's turn, else to `.ahead`."""
        if self._turns[0] != number:
            self._ahead.append(number, record, fingerprint, failed=failed)
            return 0
        self._turns.popleft()
        self._records.append(number, record, fingerprint, failed=failed)
        return 1 + self._settle()

    def close(self) -> None:
        """Close both files. `.ahead` is removed if nothing waits in it."""
        try:
            self._records.close()
        finally:
            if self._ahead:
                self._ahead.close()
            else:
                self._ahead.remove()

    def _holder(self, number: int) -> RecordFile | None:
        if self._keeps(number):
            return self._records
        return self._ahead if number in self._ahead else None

    def _keeps(self, number: int) -> bool:
        return number in self._records and not (
            self._retry_failed and self._records.has_failed(number)
        )

    def _make_way(self, number: int) -> None:
        """Move the records from this line on from the file to `.ahead`.

        A kill between the two leaves a record in both files, never in none.
        """
        for later in self._records.numbers(number):
            if self._keeps(later):
                _copy(later, self._records, self._ahead)
        self._records.end_before(number)

    def _settle(self) -> int:
        placed = 0
        while self._turns and self._turns[0] in self._ahead:
            _move(self._turns.popleft(), self._ahead, self._records)
            placed += 1
        if placed:
            self._ahead.compact(_COMPACT_BYTES)
        return placed


def open_output(path: Path, *, ordered: bool, retry_failed: bool) -> RecordOutput:
    """The output in `path`, with the records that an earlier run left there. With `retry_failed`,
    those of failures are dropped. The file stays locked until it is closed.

    Raises InvalidInput if the file is not a batch's output, or another batch is using it.
    """
    if path.exists() and not path.is_file():
        # A device or a named pipe keeps nothing that a later run could continue.
        return Stream(path.open("wb"), ordered=ordered)
    records = RecordFile(path)
    _lock(records)
    ahead = RecordFile(path.with_name(path.name + ".ahead"))
    for entry in ahead.entries():
        if not (entry.failed and retry_failed):
            ahead.note(entry)
    _keep_beginning(records, ahead, in_order=ordered, retry_failed=retry_failed)
    for number in ahead.numbers():
        if number in records:
            ahead.forget(number)
        elif not ordered:
            _move(number, ahead, records)
    ahead.compact(_COMPACT_BYTES)
    if ordered:
        return InOrder(records, ahead, retry_failed=retry_failed)
    return AsCompleted(records, ahead)


def _keep_beginning(
    records: RecordFile, ahead: RecordFile, *, in_order: bool, retry_failed: bool
) -> None:
    """Keep the entries before the first misplaced one; move the others to `ahead`."""
    end: int | None = None
    for entry in records.entries():
        dropped = entry.failed and retry_failed
        may_stay = entry.number > records.last if in_order else not dropped
        if end is None and may_stay:
            records.note(entry)
            continue
        end = entry.offset if end is None else end
        if not dropped:
            ahead.append(entry.number, entry.content, entry.fingerprint, failed=entry.failed)
    if end is not None:
        records.cut(end)


def _move(number: int, source: RecordFile, target: RecordFile) -> None:
    _copy(number, source, target)
    source.forget(number)


def _copy(number: int, source: RecordFile, target: RecordFile) -> None:
    fingerprint, failed = source.fingerprint(number), source.has_failed(number)
    target.append(number, source.read(number), fingerprint, failed=failed)


def _lock(records: RecordFile) -> None:
    if not lock_descriptor(records.descriptor):
        os.close(records.descriptor)
        raise InvalidInput(f"another batch is writing {records.path}")

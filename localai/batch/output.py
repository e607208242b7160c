"""Where a batch's records go: a file that a later run goes on with, or a stream.

In the input's order, a record that is finished before its turn waits in `FILE.ahead` beside the
file: whatever is computed is on the disk at once, so a kill costs only what was under way.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import BinaryIO, Protocol

from localai.batch.record_file import RecordFile
from localai.errors import InvalidInput
from localai.locks import lock_descriptor

# What waits is copied out at its turn; the file is written anew when so much of it is past use.
_COMPACT_BYTES = 16 << 20


class RecordOutput(Protocol):
    """Takes records; the numbers that methods return say how many lines got their final place."""

    def finished(self, number: int) -> int | None:
        """The fingerprint of a line's record that an earlier run left; None if there is none."""

    def has_failed(self, number: int) -> bool:
        """Whether that record is of a failure."""

    @property
    def last(self) -> int:
        """The highest number of a line that has a record; 0 for none."""

    def expect(self, number: int) -> int:
        """The line comes next in order; its record is there already, or will be written."""

    def write(self, number: int, record: bytes, fingerprint: int, *, failed: bool) -> int:
        """Take the record of a line that was expected."""

    def close(self) -> None:
        """Everything that could be written was."""


class Stream:
    """Records on stdout or into a pipe: nothing is known of earlier runs."""

    def __init__(self, stream: BinaryIO, *, ordered: bool) -> None:
        self._stream = stream
        self._turns: deque[int] | None = deque() if ordered else None
        self._waiting: dict[int, bytes] = {}

    def finished(self, number: int) -> int | None:
        """Nothing is known."""
        return None

    def has_failed(self, number: int) -> bool:
        """Nothing is known."""
        return False

    @property
    def last(self) -> int:
        """Nothing is known."""
        return 0

    def expect(self, number: int) -> int:
        """Remember the order."""
        if self._turns is not None:
            self._turns.append(number)
        return 0

    def write(self, number: int, record: bytes, fingerprint: int, *, failed: bool) -> int:
        """Write what has its turn."""
        if self._turns is None:
            self._stream.write(record)
            self._stream.flush()
            return 1
        self._waiting[number] = record
        placed = 0
        while self._turns and self._turns[0] in self._waiting:
            self._stream.write(self._waiting.pop(self._turns.popleft()))
            placed += 1
        self._stream.flush()
        return placed

    def close(self) -> None:
        """The stream belongs to whoever opened it."""


class AsCompleted:
    """A file with the records in the order in which they are finished."""

    def __init__(self, records: RecordFile, ahead: RecordFile) -> None:
        self._records = records
        self._ahead = ahead

    def finished(self, number: int) -> int | None:
        """From the file."""
        return self._records.fingerprint(number) if number in self._records else None

    def has_failed(self, number: int) -> bool:
        """From the file."""
        return self._records.has_failed(number)

    @property
    def last(self) -> int:
        """From the file."""
        return self._records.last

    def expect(self, number: int) -> int:
        """A line that is there has its place."""
        return int(number in self._records)

    def write(self, number: int, record: bytes, fingerprint: int, *, failed: bool) -> int:
        """At the end of the file."""
        self._records.append(number, record, fingerprint, failed=failed)
        return 1

    def close(self) -> None:
        """Close the file; the one beside it has nothing that is not in it."""
        try:
            self._records.close()
        finally:
            self._ahead.remove()


class InOrder:
    """A file with the records in the order of the input; failures are forgotten at their turn
    with `retry_failed`."""

    def __init__(self, records: RecordFile, ahead: RecordFile, *, retry_failed: bool) -> None:
        self._records = records
        self._ahead = ahead
        self._retry_failed = retry_failed
        self._turns: deque[int] = deque()

    def finished(self, number: int) -> int | None:
        """From the file, or from what waits for its turn."""
        file = self._holder(number)
        return None if file is None else file.fingerprint(number)

    def has_failed(self, number: int) -> bool:
        """From the file, or from what waits for its turn."""
        file = self._holder(number)
        return file is not None and file.has_failed(number)

    @property
    def last(self) -> int:
        """From the file and from what waits for its turn."""
        return max(self._records.last, max(self._ahead.numbers(), default=0))

    def expect(self, number: int) -> int:
        """A line that is in the file has its place; one that waits gets it if it is its turn."""
        if self._keeps(number):
            return 1
        if number <= self._records.last:
            self._make_way(number)
        self._turns.append(number)
        return self._settle()

    def write(self, number: int, record: bytes, fingerprint: int, *, failed: bool) -> int:
        """Into the file if it is the line's turn, else beside it."""
        if self._turns[0] != number:
            self._ahead.append(number, record, fingerprint, failed=failed)
            return 0
        self._turns.popleft()
        self._records.append(number, record, fingerprint, failed=failed)
        return 1 + self._settle()

    def close(self) -> None:
        """Close both files; the second goes if nothing waits in it."""
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
        """Let what stands in the file from this line on wait for its turn again.

        A kill in between leaves a record in both files, never in none.
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
    """The output in `path`, with what an earlier run left there; failures are dropped from it
    with `retry_failed`. It stays locked until it is closed.

    Raises InvalidInput for a file that is no batch's output, or in use by another batch.
    """
    if path.exists() and not path.is_file():
        # A device or a named pipe takes a stream, and keeps nothing to go on with.
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
    """Leave in `records` all up to the first entry that may not stand there, and move those
    behind it to `ahead`."""
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

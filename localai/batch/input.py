"""The lines of a batch's input, read by a thread of their own and never far ahead of their use.

A pipe may be slow: answers that are there are written while the next line is waited for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from localai.chat.inputs import LIMIT_BYTES
from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.units import mebibytes_text


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank, and its number; the first is 1."""

    number: int
    content: bytes


@dataclass(frozen=True, slots=True)
class EndOfInput:
    """There are no more lines; `error` says why, where that is not how it should be."""

    error: Exception | None = None


def read_lines(stream: BinaryIO) -> Iterator[Line]:
    """The lines of `stream`, blank ones left out. Raises InvalidInput for an endless one."""
    number = 0
    while content := stream.readline(LIMIT_BYTES + 1):
        number += 1
        if len(content) > LIMIT_BYTES:
            raise InvalidInput(f"line {number} has more than {mebibytes_text(LIMIT_BYTES)}")
        if content.strip():
            yield Line(number, content)


def count_lines(file: Path) -> int:
    """How many lines that are not blank `file` has."""
    with file.open("rb") as stream:
        return sum(1 for _ in read_lines(stream))


class LineReader:
    """Hands lines to `receive`, one for every permit of each of `permits`."""

    def __init__(
        self,
        stream: BinaryIO,
        receive: Callable[[Line | EndOfInput], None],
        permits: tuple[threading.Semaphore, ...],
    ) -> None:
        self._stream = stream
        self._receive = receive
        self._permits = permits

    def start(self) -> None:
        """Begin to read. The thread ends with the input, or with the process."""
        threading.Thread(target=self._read, name="batch input", daemon=True).start()

    def _read(self) -> None:
        try:
            for line in read_lines(self._stream):
                for permit in self._permits:
                    permit.acquire()
                self._receive(line)
        except Exception as error:  # noqa: BLE001  else the batch would wait for its input for ever
            self._receive(EndOfInput(error))
        else:
            self._receive(EndOfInput())

"""A batch's lines of input. A thread of its own reads them, never far ahead of their use.

A pipe may be slow: answers are written while the next line is waited for.
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
    """The input has ended. `error` says why, if it could not be read to its end."""

    error: Exception | None = None


def read_lines(stream: BinaryIO) -> Iterator[Line]:
    """The lines of `stream`, blank ones left out. Raises InvalidInput for a line over the limit."""
    number = 0
    while content := stream.readline(LIMIT_BYTES + 1):
        number += 1
        if len(content) > LIMIT_BYTES:
            raise InvalidInput(f"line {number} has more than {mebibytes_text(LIMIT_BYTES)}")
        if content.strip():
            yield Line(number, content)


def count_lines(file: Path) -> int:
    """The number of lines in `file` that are not blank."""
    with file.open("rb") as stream:
        return sum(1 for _ in read_lines(stream))


class LineReader:
    """Hands a line to `receive` once every semaphore in `permits` has given a permit."""

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

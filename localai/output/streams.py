"""The three streams that a process starts with: all are open, and a message never fails its
command.

A stream that the caller closed leaves its number free. The next file that is opened would get the
number, and the stream's text with it. So each is opened on /dev/null: stdout only for reading, so
that writing data that nobody receives is an error, and a command without data succeeds.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Final, TextIO

_HOW_TO_OPEN: Final = (os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)


class _Tolerant(io.FileIO):
    """A file whose writes succeed for the caller, even if the system refuses them."""

    def write(self, content: bytes) -> int:  # type: ignore[override]
        """Write as much as possible; report all as written."""
        try:
            return super().write(content) or 0
        except OSError:
            return memoryview(content).nbytes


def prepare_streams() -> None:
    """Open the streams that are closed. stdout writes a question mark for characters that its
    encoding lacks. stderr drops what nobody can receive, so that no data are lost because of a
    message."""
    for number, flags in enumerate(_HOW_TO_OPEN):
        try:
            os.fstat(number)
        except OSError:
            # This stream's is the lowest free number, because those below are open by now.
            os.open(os.devnull, flags)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = _tolerant(sys.stderr)


def drop_what_is_left() -> None:
    """Discard what stdout could not take: at its end the interpreter would try again, and fail
    again."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tolerant(stream: TextIO | None) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(_Tolerant(2, "wb", closefd=False)),  # type: ignore[type-var]
        encoding="utf-8" if stream is None else stream.encoding,
        errors="backslashreplace",
        line_buffering=True,
    )

"""The three streams that a process starts with: all open, and a message never fails its command.

A stream that the caller closed leaves its number free, and the next file that is opened would get
it, and with it what is meant for the stream. So each is opened on /dev/null: stdout for reading,
so that data which nobody receives is an error, and a command without any succeeds.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Final, TextIO

_HOW_TO_OPEN: Final = (os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)


class _Tolerant(io.FileIO):
    """A file whose writes succeed for the caller, whatever the system says of them."""

    def write(self, content: bytes) -> int:  # type: ignore[override]
        """All of it, as far as it can be."""
        try:
            return super().write(content) or 0
        except OSError:
            return memoryview(content).nbytes


def prepare_streams() -> None:
    """Open what is closed. stdout says what its encoding cannot as a question mark, and stderr
    drops what nobody can receive: whoever waits for data does not lose them over a message."""
    for number, flags in enumerate(_HOW_TO_OPEN):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is this one: those below are open by now.
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
    """Forget what stdout could not take: at its end the interpreter would try, and fail, again."""
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

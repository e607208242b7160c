"""The facts of a stream: whether a person looks at it, its colour, its size.

Standard library only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TextIO


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at `stream`."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def is_dumb() -> bool:
    """Whether the terminal moves no cursor, or does not say what it can."""
    return os.environ.get("TERM", "dumb") in ("dumb", "unknown")


def color_wanted(stream: TextIO | None) -> bool:
    """Whether colour may be written to `stream`: NO_COLOR and TERM=dumb say no, FORCE_COLOR yes."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def terminal_size(stream: TextIO | None) -> tuple[int, int]:
    """Columns and rows of the terminal behind `stream`, now; 80 by 24 if it does not say."""
    try:
        size = os.get_terminal_size(-1 if stream is None else stream.fileno())
    except (OSError, ValueError):
        return 80, 24
    return size.columns or 80, size.lines or 24


def echo_off(terminal: TextIO) -> Callable[[], None]:
    """Stop the terminal's echo of keys; the returned function brings it back."""

    def nothing() -> None:
        pass

    try:
        import termios
    except ImportError:  # Windows
        return nothing
    try:
        descriptor = terminal.fileno()
        # A background job that changes the terminal would be stopped by SIGTTOU.
        if os.tcgetpgrp(descriptor) != os.getpgrp():
            return nothing
        before = termios.tcgetattr(descriptor)
        during = termios.tcgetattr(descriptor)
        during[3] &= ~termios.ECHO
        termios.tcsetattr(descriptor, termios.TCSANOW, during)
    except (OSError, ValueError, termios.error):
        return nothing
    return lambda: termios.tcsetattr(descriptor, termios.TCSANOW, before)

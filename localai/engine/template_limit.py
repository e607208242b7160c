"""How long a chat template may take, and how much memory, where it is rendered in our own process;
what ends a process in which one takes longer.

A template is a program that came with the model."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LONGEST_TEMPLATE_S: Final = 60.0
"""Real templates render a megabyte of conversation in a tenth of a second."""

MOST_TEMPLATE_BYTES: Final = 1 << 30
"""Of memory, more than the process has already: a template makes a text of a conversation."""

TEMPLATE_SUBJECT: Final = "the model's chat template"
"""How every sentence begins with which MLX's worker refuses what a template did."""

# Typed as a plain text, so that the branches of all systems are checked on either.
_PLATFORM: str = sys.platform
_LOOKS_EVERY_S: Final = 0.02


@contextlib.contextmanager
def ending_process_after(seconds: float) -> Iterator[None]:
    """End this process if the block takes longer, also if it holds the interpreter's lock: nothing
    else stops an endless template. The log then has the place in the code, but none of the
    input."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextlib.contextmanager
def within_memory(most_bytes: int) -> Iterator[None]:
    """Let the block, in which nothing else of the process computes, take so much memory more.

    On Linux the kernel refuses what goes beyond: MemoryError. Elsewhere no kernel does, and the
    process is ended a moment after.
    """
    if _PLATFORM == "linux":
        with _by_the_kernel(most_bytes):
            yield
    else:
        with _by_looking(most_bytes):
            yield


@contextlib.contextmanager
def _by_the_kernel(most_bytes: int) -> Iterator[None]:
    import resource

    found = re.search(r"^VmData:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    if found is not None:
        most = (int(found[1]) << 10) + most_bytes
        limits = [each for each in before if each != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min([most, *limits]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


@contextlib.contextmanager
def _by_looking(most_bytes: int) -> Iterator[None]:
    import resource

    def peak_bytes() -> int:
        """Kilobytes on Linux, bytes on macOS."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak << 10 if _PLATFORM == "linux" else peak

    most = peak_bytes() + most_bytes
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(_LOOKS_EVERY_S):
            if peak_bytes() > most:
                print("a chat template took too much memory", file=sys.stderr, flush=True)  # noqa: T201
                os._exit(1)

    threading.Thread(target=look, daemon=True).start()
    try:
        yield
    finally:
        is_over.set()

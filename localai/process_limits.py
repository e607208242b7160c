"""The limits of this process (`ulimit -u`, `-v`, `-s`), and a command that keeps within them.

Under a limit of addresses a thread costs as much as it reserves: 8 MB of stack and, in glibc, an
arena of 64 MB. `doctor` with its 18 probes reserved 1.1 GB, of which it used 40 MB; with small
stacks and one arena it reserves 60 MB. C code that gets no memory does not raise: OpenSSL crashes,
so a command that could come to that does not begin. And glibc loads a library in order to end a
thread, as Python ends those that still run when a command ends: if there is no room for it, or no
open file left, the process aborts.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from contextlib import suppress
from typing import Final

from localai.errors import InsufficientResources
from localai.units import bytes_text

# Loading Anthropic's SDK, which is the largest, takes 88 MB.
_LEAST_ADDRESSES_BYTES: Final = 150_000_000
# JSON that is nested as deeply as Python reads it overflows 128 KiB.
_LEAST_STACK_BYTES: Final = 256 << 10
_THREAD_STACK_BYTES: Final = 2 << 20
_M_ARENA_MAX: Final = -8
_FEW_OPEN_FILES: Final = 256
_ENDS_THREADS: Final = "libgcc_s.so.1"


def keep_within_limits() -> None:
    """Have this process spare addresses, if they are limited. Raises InsufficientResources if the
    limits are too low for any command. Called before the first thread starts."""
    _require("of stack", "-s", resource.RLIMIT_STACK, _LEAST_STACK_BYTES)
    _require("of addresses", "-v", resource.RLIMIT_AS, _LEAST_ADDRESSES_BYTES)
    has_few_addresses = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    has_few_files = 0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[0] < _FEW_OPEN_FILES
    if has_few_addresses:
        threading.stack_size(_THREAD_STACK_BYTES)
    if sys.platform == "linux" and (has_few_addresses or has_few_files):
        import ctypes

        # musl has neither the library nor arenas.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(_ENDS_THREADS)
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def spare_threads_of_numpy() -> None:
    """Have numpy begin no threads for its linear algebra, which is not used here. Where the system
    gives none, OpenBLAS interrupts the process as Ctrl-C does. Called before numpy is imported."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _require(what: str, option: str, name: int, least_bytes: int) -> None:
    limit = resource.getrlimit(name)[0]
    if limit != resource.RLIM_INFINITY and limit < least_bytes:
        raise InsufficientResources(
            f"this command may use {bytes_text(limit)} {what} and needs {bytes_text(least_bytes)}",
            hint=f"raise the limit: ulimit {option}",
        )

"""What the machine itself can do: memory by threads, reading a model from the disk, the anchor.

About five seconds, with no model in memory.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from localai.bench.anchor import anchor
from localai.dataclass import dataclass
from localai.units import counted

_READ_S: Final = 2.0
_PIECE_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate in bytes a second, and how it was measured."""

    name: str
    bytes_per_s: float
    how: str


def limits(cores: int, model: Path | None, cache_bytes: int | None) -> Iterator[Limit]:
    """The limits, each once it is measured. `model` is the file that is read from its disk, if
    there is one."""
    from localai.hardware.measured_bandwidth import measure_bandwidth

    for threads in sorted({1, cores}):
        found = measure_bandwidth(threads, cache_bytes=cache_bytes)
        how = _threads(threads) if threads == 1 else f"the best of up to {_threads(threads)}"
        yield Limit("memory, read", found.read_bytes_per_s, how)
        yield Limit("memory, copy", found.copy_bytes_per_s, how)
    if model is not None and (rate := _disk(model)) is not None:
        yield Limit("a model from its disk", rate, f"{model.name}, its pages dropped before")
    yield Limit("anchor", anchor(cores).value, f"SHA-256 by {_threads(cores)}")


def _threads(count: int) -> str:
    return counted(count, "thread")


def _disk(file: Path) -> float | None:
    """Bytes a second of reading `file` from its beginning, for two seconds at most; None where the
    system cannot be asked to forget what it holds of it, or it cannot be read."""
    if not hasattr(os, "posix_fadvise"):
        return None
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except OSError:
        return None
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        begin, done = time.perf_counter(), 0
        while (taken := time.perf_counter() - begin) < _READ_S:
            piece = os.read(descriptor, _PIECE_BYTES)
            if not piece:
                break
            done += len(piece)
        return done / taken if done and taken > 0 else None
    except OSError:
        return None
    finally:
        os.close(descriptor)

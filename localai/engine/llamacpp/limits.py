"""How much memory and time a worker of llama.cpp may take: a model file is a stranger's, and its
chat template is a program that the engine runs.

The engine renders the template when it loads the model and for each request, without limits of its
own: nested loops ran for hours, and a text that doubles took 11 GB in 15 seconds. So the memory of
a worker is bounded by llama.cpp's own projection for the model, and the time by what no honest
template needs. The command that starts a worker watches it while it loads, because the engine then
holds the interpreter's lock; afterwards the worker watches itself.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from localai.engine.llamacpp.log import DeviceShare
from localai.patterns import lazy_pattern

CHECKPOINTS: Final = 8
"""How many states of a slot llama.cpp keeps to go back to: models that cannot forget their last
tokens (sliding window, recurrent) need them, and only the last ones are of use."""

_ROOM_BYTES: Final = 2 << 30
"""For the interpreter, the threads' stacks, pictures, requests and the prompt cache."""

_CONTEXT_IS_MADE: Final = lazy_pattern(r"srv\s+load_model: initializing")
# From this part of a core on, a worker counts as computing: an idle one needs a hundredth, and on a
# busy machine one that computes gets little.
_BUSY: Final = 0.1
_LONGEST_FOR_NOBODY_S: Final = 30.0
# Typed as a plain text, so that mypy checks the branches of every system.
_PLATFORM: str = sys.platform


def most_bytes(projected: DeviceShare, projector_path: str | None) -> int:
    """The memory limit of a worker: projected weights and compute, the context times the states
    kept, twice the projector, and a reserve."""
    states = 2 + CHECKPOINTS
    # llama.cpp projects only the model; a projector needs for computing about its own size again.
    projector_bytes = 0 if projector_path is None else 2 * Path(projector_path).stat().st_size
    return (
        projected.weights_bytes
        + projector_bytes
        + projected.compute_bytes
        + states * projected.context_bytes
        + _ROOM_BYTES
    )


def memory_of(pid: int) -> int | None:
    """The main memory of the process in bytes; None if unknown. Mapped files are excluded where the
    system reports them separately."""
    if _PLATFORM == "linux":
        try:
            status = Path(f"/proc/{pid}/status").read_text(errors="replace")
        except OSError:
            return None
        found = re.search(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE)
        return int(found[1]) << 10 if found else None
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


def is_at_template(log: str) -> bool:
    """Whether the log of a loading worker shows that weights and context are there, and only the
    chat template is left."""
    return _CONTEXT_IS_MADE.search(log) is not None


class Idleness:
    """Notices a worker that computes although nobody waits for it. `cpu_s` returns its CPU time in
    seconds."""

    def __init__(self, cpu_s: Callable[[], float] = time.process_time) -> None:
        self._cpu_s = cpu_s
        self._busy_s = 0.0
        self._last = (time.monotonic(), cpu_s())

    def computes_for_nobody(self, *, somebody_is_here: bool) -> bool:
        """Whether it has computed for nobody for too long. Call it several times a second."""
        now, used = time.monotonic(), self._cpu_s()
        passed_s, computed_s = now - self._last[0], used - self._last[1]
        self._last = (now, used)
        if somebody_is_here or computed_s < _BUSY * passed_s:
            self._busy_s = 0.0
        else:
            self._busy_s += passed_s
        return self._busy_s > _LONGEST_FOR_NOBODY_S

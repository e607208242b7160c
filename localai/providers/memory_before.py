"""The memory that was free before a worker was started."""

from __future__ import annotations

from localai.events import Events, Loading
from localai.units import bytes_text


class MemoryBefore:
    """What was free before a worker was started, so that a warning can say it."""

    def __init__(self) -> None:
        self._free: int | None = None

    def most_bytes(self) -> int | None:
        """Looks, and returns what a model may take; None if that is unknown."""
        # Only where a worker must be started, so that a warm one-shot does not import psutil.
        from localai.hardware.memory import free_memory

        memory = free_memory()
        self._free = None if memory is None else memory.free_bytes
        return None if memory is None else memory.most_bytes

    def warnings(self, taken_bytes: int | None) -> Events:
        """A warning if a model that takes `taken_bytes` was started with less free memory."""
        if self._free is None or taken_bytes is None or taken_bytes <= self._free:
            return
        yield Loading(
            f"the model takes {bytes_text(taken_bytes)} of memory, and {bytes_text(self._free)} was"
            " free: others make room, and all may be slow for a while"
        )

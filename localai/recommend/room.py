"""How much memory of a machine models may take."""

from __future__ import annotations

from typing import Final

from localai.dataclass import dataclass
from localai.hardware.facts import Machine
from localai.sizing.devices import gpu_kind, gpu_room

# The memory of the system itself, a desktop and a browser: a quarter of main memory, at most this.
_SYSTEM_BYTES: Final = 4 << 30


@dataclass(frozen=True, slots=True)
class Room:
    """The memory in bytes that a model may take: in GPUs, and altogether."""

    gpu: int
    total: int

    @property
    def fast(self) -> int:
        """The part where models answer fast: a GPU's, else the system's."""
        return self.gpu or self.total


def room_of(machine: Machine) -> Room:
    """The memory that models may take: GPUs that an engine can use, and main memory without the
    system's part."""
    main = machine.memory.limit_bytes.value or machine.memory.total_bytes.value or 0
    main -= min(_SYSTEM_BYTES, main // 4)
    gpus = [gpu for gpu in machine.gpus if gpu_kind(gpu) is not None]
    own = sum(gpu_room(gpu) for gpu in gpus if not gpu.unified.value)
    shared = min(main, max((gpu_room(gpu) for gpu in gpus if gpu.unified.value), default=0))
    # With unified memory, the system needs what the GPU may not use.
    return Room(gpu=own + shared, total=own + (shared or main))

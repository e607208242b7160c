"""How much memory of a machine models may take."""

from __future__ import annotations

from typing import Final

from localai.dataclass import dataclass
from localai.hardware.facts import Machine
from localai.sizing.devices import gpu_kind, gpu_memory_for_models

# The memory of the system itself, a desktop and a browser: a quarter of main memory, at most this.
_SYSTEM_BYTES: Final = 4 << 30


@dataclass(frozen=True, slots=True)
class MemoryForModels:
    """The memory that a model may take: in GPUs, and altogether."""

    gpu_bytes: int
    total_bytes: int

    @property
    def fast_bytes(self) -> int:
        """The part where models answer fast: a GPU's, else the system's."""
        return self.gpu_bytes or self.total_bytes


def memory_for_models(machine: Machine) -> MemoryForModels:
    """The memory that models may take: GPUs that an engine can use, and main memory without the
    system's part."""
    main = machine.memory.limit_bytes.value or machine.memory.total_bytes.value or 0
    main -= min(_SYSTEM_BYTES, main // 4)
    gpus = [gpu for gpu in machine.gpus if gpu_kind(gpu) is not None]
    own = sum(gpu_memory_for_models(gpu) for gpu in gpus if not gpu.unified.value)
    shared = min(
        main, max((gpu_memory_for_models(gpu) for gpu in gpus if gpu.unified.value), default=0)
    )
    # With unified memory, the system needs what the GPU may not use.
    return MemoryForModels(gpu_bytes=own + shared, total_bytes=own + (shared or main))

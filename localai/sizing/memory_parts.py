"""The three parts of a model's memory, as the formulas for GGUF files and MLX folders give them."""

from __future__ import annotations

from localai.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class MemoryParts:
    """The memory that a model takes with a given context, in bytes.

    `context_bytes` are the keys and values of the context, or the states in their place.
    `compute_bytes` are the buffers for computing a batch of tokens.
    """

    weights_bytes: int
    context_bytes: int
    compute_bytes: int

    @property
    def total_bytes(self) -> int:
        """Weights, context and compute together."""
        return self.weights_bytes + self.context_bytes + self.compute_bytes

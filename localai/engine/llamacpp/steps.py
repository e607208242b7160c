"""How many tokens of a prompt the engine computes in one step, and of a context it allocates.

Between two steps llama.cpp says how far it has read, and notices that nobody waits any more. A GPU
needs long steps. On a CPU shorter ones cost nothing down to 256: for a prompt of 2,887 tokens
SmolLM2 took 26.9 s of processor time at 2,048 handed over and 512 computed at a time, 26.9 at 256,
28.5 at 128, 32.7 at 64 (2 cores, November 2026).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from localai.engine.worker_files import WorkerSpec

_ON_CPU: Final = 256
_CONTEXT_CELL: Final = 256
_ON_GPU: Final = 512
_BATCH_ON_GPU: Final = 2048


class Steps(NamedTuple):
    """llama.cpp's two sizes in tokens: of what is handed to it at a time, between which it says how
    far it is, and of what it computes of that at once."""

    batch: int
    micro_batch: int


LONG_STEPS: Final = Steps(_BATCH_ON_GPU, _ON_GPU)
"""Those of a GPU."""


def steps(spec: WorkerSpec, *, on_cpu: bool) -> Steps:
    """The steps for `spec`: long ones for a model that sees, which reads a picture in one."""
    return chosen_steps(spec.batch, spec.micro_batch, short=on_cpu and spec.projector_path is None)


def chosen_steps(batch: int | None, micro_batch: int | None, *, short: bool) -> Steps:
    """What the user set, else what suits the device: `short` steps, or long ones."""
    micro_batch = micro_batch or (_ON_CPU if short else _ON_GPU)
    batch = batch or (micro_batch if short else max(micro_batch, _BATCH_ON_GPU))
    return Steps(batch, min(micro_batch, batch))


def allocated_context(tokens: int) -> int:
    """The context that llama.cpp allocates where `tokens` are asked for: whole cells of 256."""
    return -(-tokens // _CONTEXT_CELL) * _CONTEXT_CELL

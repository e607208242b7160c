"""The number of threads that the engine computes with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localai.engine.worker_files import WorkerSpec


def threads(spec: WorkerSpec) -> tuple[int | None, int | None]:
    """The threads that decode, and those that read a prompt; None leaves the number to llama.cpp.

    llama.cpp takes one for each physical core, even if a mask or a quota leaves fewer cores; then
    threads that share a core wait for one another. So there are as many as the cores left.
    """
    decoding = spec.threads or spec.cores
    return decoding, spec.prefill_threads or decoding

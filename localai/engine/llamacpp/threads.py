"""How many threads the engine takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localai.engine.worker_files import WorkerSpec


def threads(spec: WorkerSpec) -> tuple[int | None, int | None]:
    """Those that decode, and those that read a prompt; None is llama.cpp's own count.

    That one is of the machine's physical cores, also where a mask or a quota leaves fewer of them:
    threads that take turns on a core wait for one another. Then it is as many as the cores left.
    """
    decoding = spec.threads or spec.cores
    return decoding, spec.prefill_threads or decoding

"""What the engine itself gains by computing answers together, without server, sampling and client:
the limit of `benchmarks.batch`, in the manner of llama.cpp's llama-batched-bench.

    python -m benchmarks.batched [--rounds 3] [--prompts 64] [--jobs 8] [MODEL.gguf]

The wheel's library is called as the worker's engine calls it: prompts of as many tokens as those of
`benchmarks.batch`, answers of 48 tokens that nobody chooses; all of them one after the other, and
`--jobs` at a time, each with its own sequence of one cache. In turn, by the clock and by processor
time, which a busy machine distorts less.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measuring import files_or_the_tests, machine, needing
from localai.engine.environment import engine_environment
from localai.engine.llamacpp import c_api
from localai.engine.llamacpp.c_api import Evaluator
from localai.hardware.allowed_cores import allowed_cores

_ANSWER_TOKENS = 48
_QUESTION = (
    "You are a helpful assistant. ({}) Write a story about a lighthouse keeper who finds a letter."
)
_CONTEXT_TOKENS = 4096
Entry = tuple[int, int, int]
"""A token, its position, the number of its sequence."""


class _Together(Evaluator):
    """A model that computes tokens of several sequences in one step."""

    def __init__(self, model: Path, jobs: int, threads: int) -> None:
        super().__init__(model, context_tokens=_CONTEXT_TOKENS, threads=threads)
        self._engine.llama_free(self._context)
        wanted = self._engine.llama_context_default_params()
        wanted.n_ctx, wanted.n_batch, wanted.n_ubatch = _CONTEXT_TOKENS, 2048, 512
        wanted.n_seq_max, wanted.kv_unified = jobs, True
        wanted.n_threads = wanted.n_threads_batch = threads
        self._context = self._engine.llama_init_from_model(self._model, wanted)
        assert self._context, "a context for so many sequences"

    def forget(self) -> None:
        """Begin all sequences anew."""
        self._engine.llama_memory_clear(self._engine.llama_get_memory(self._context), True)

    def step(self, entries: Sequence[Entry]) -> None:
        """Compute the entries together; each sequence's last one has an outcome."""
        count = len(entries)
        numbers = [(ctypes.c_int32 * 1)(sequence) for _, _, sequence in entries]
        last = {sequence: at for at, (_, _, sequence) in enumerate(entries)}
        arrays = (
            (ctypes.c_int32 * count)(*[token for token, _, _ in entries]),
            (ctypes.c_int32 * count)(*[position for _, position, _ in entries]),
            (ctypes.c_int32 * count)(*[1] * count),
            (ctypes.c_void_p * count)(*map(ctypes.addressof, numbers)),
            (ctypes.c_int8 * count)(*[int(at in last.values()) for at in range(count)]),
        )
        token, position, sequences, ids, wanted = (ctypes.addressof(each) for each in arrays)
        batch = c_api._Batch(count, token, None, position, sequences, ids, wanted)
        assert self._engine.llama_decode(self._context, batch) == 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--jobs", type=int, default=8)
    given = parser.parse_args()
    model = files_or_the_tests([given.model] if given.model else [])[0]
    # As in the worker. Read when the engine's library is loaded, which comes later.
    os.environ.setdefault("GOMP_SPINCOUNT", engine_environment().get("GOMP_SPINCOUNT", "2000"))
    print(machine())
    threads = allowed_cores() or os.cpu_count() or 1
    rates: dict[int, list[tuple[float, float]]] = {1: [], given.jobs: []}
    with _silently(), _Together(model, given.jobs, threads) as engine:
        _answered(engine, given.jobs, given.jobs)
        for number in range(given.rounds):
            for jobs in list(rates) if number % 2 == 0 else list(rates)[::-1]:
                rates[jobs].append(_answered(engine, given.prompts, jobs))
    print(
        f"\n{given.prompts} answers of {_ANSWER_TOKENS} tokens, tok/s in all, {given.rounds} times"
    )
    for jobs, samples in rates.items():
        wall, processor = (statistics.median(each[which] for each in samples) for which in (0, 1))
        print(f"{jobs:>2} at a time {wall:>7.0f} by the clock {processor:>7.0f} a processor second")
    one, many = rates.values()
    for which, name in ((0, "by the clock"), (1, "by processor time")):
        gains = [two[which] / first[which] for first, two in zip(one, many, strict=True)]
        print(f"together over one at a time, {name}: {statistics.median(gains):.2f} (of pairs)")


@contextmanager
def _silently() -> Iterator[None]:
    """Without what the engine says on standard error, some thousands of lines."""
    stderr, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(nothing)


def _answered(engine: _Together, prompts: int, jobs: int) -> tuple[float, float]:
    """Tokens a second by the clock, and a second of processor time."""
    questions = [engine.tokens(_QUESTION.format(number)) for number in range(prompts)]
    wall, processor = time.perf_counter(), time.process_time()
    for first in range(0, prompts, jobs):
        group = questions[first : first + jobs]
        engine.forget()
        engine.step([(t, at, n) for n, each in enumerate(group) for at, t in enumerate(each)])
        for answered in range(_ANSWER_TOKENS - 1):
            engine.step([(each[0], len(each) + answered, n) for n, each in enumerate(group)])
    tokens = prompts * _ANSWER_TOKENS
    return tokens / (time.perf_counter() - wall), tokens / (time.process_time() - processor)


if __name__ == "__main__":
    with needing():
        main()

"""What MLX gains by computing answers together.

    python -m benchmarks.mlx_together [--rounds 3] [--answers 8] [--tokens 32]

One worker with the tests' SmolLM2 on mlx's CPU build, in a home of its own; the same questions to
its socket one after the other and all at once, in turn. Counts what the clock and the worker's
processor time give: a busy machine distorts that less.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil

from benchmarks.measuring import machine, needing
from localai.engine.lifecycle import Lease, acquire, stop
from localai.engine.worker_files import WorkerSpec
from localai.paths import locate
from tests.servers.environments import make_mlx
from tests.servers.mlx_model import convert
from tests.support.mlx import ask

_QUESTION = "Write a story about a lighthouse keeper who finds a letter."
_ROOM_TOKENS = 16_384


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--answers", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=32)
    given = parser.parse_args()
    print(machine())
    with _worker() as lease:
        _ask(lease, "warm up", 2)
        rates: dict[int, list[tuple[float, float]]] = {1: [], given.answers: []}
        for number in range(given.rounds):
            for at_once in rates:
                questions = [f"({number}-{at_once}-{each})" for each in range(given.answers)]
                rates[at_once].append(_rates(lease, questions, given.tokens, at_once))
    print(f"\n{given.answers} answers of {given.tokens} tokens, tok/s in all, {given.rounds} times")
    for at_once, samples in rates.items():
        by_clock, by_processor = ([pair[which] for pair in samples] for which in (0, 1))
        print(
            f"{at_once:>2} at once: {statistics.median(by_clock):>6.1f} by the clock,"
            f" {statistics.median(by_processor):>6.1f} a second of processor time"
            f"   ({', '.join(f'{rate:.1f}' for rate in by_clock)})"
        )
    one, many = rates.values()
    gains = [after[0] / before[0] for before, after in zip(one, many, strict=True)]
    print(f"together over one at a time, median of pairs: {statistics.median(gains):.2f}x")


@contextmanager
def _worker() -> Iterator[Lease]:
    with tempfile.TemporaryDirectory() as home:
        paths = locate({"LOCALAI_HOME": home})
        spec = WorkerSpec("mlx", str(convert()), _ROOM_TOKENS)
        with acquire(
            paths,
            spec,
            keep_alive_s=60,
            available_bytes=lambda: None,
            interpreter=str(make_mlx()),
        ) as lease:
            yield lease
        stop(lease.files, lease.info)


def _rates(lease: Lease, questions: list[str], tokens: int, at_once: int) -> tuple[float, float]:
    """Tokens a second by the clock, and a second of the worker's processor time."""
    worker = psutil.Process(lease.info.pid)
    processor_s, started = sum(worker.cpu_times()[:2]), time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        made = sum(pool.map(lambda question: _ask(lease, question, tokens), questions))
    took_s = time.perf_counter() - started
    return made / took_s, made / (sum(worker.cpu_times()[:2]) - processor_s)


def _ask(lease: Lease, mark: str, tokens: int) -> int:
    """How many tokens the answer has."""
    question = {"role": "user", "content": f"{mark} {_QUESTION}"}
    _, end = ask(lease.files.socket, question, max_tokens=tokens)
    made: int = end["usage"]["completion_tokens"]
    return made


if __name__ == "__main__":
    with needing():
        main()

"""What prompt-lookup drafting, continuous batching and short waits gain on this machine.

    python -m benchmarks.engine [--rounds 3]

Uses a home of its own with the tests' weights. Variants run in turn; tokens are counted by the
engine and timed from outside, so that overlapping requests count as the user sees them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.measuring import home_with_starter, machine, needing
from localai.engine.lifecycle import Lease, acquire
from localai.engine.worker_files import WorkerSpec
from localai.net.http import call
from localai.paths import locate
from localai.stores.starter import starter_path

_CODE = """def area(width, height):
    if width < 0 or height < 0:
        raise ValueError("a side cannot be negative")
    return width * height


def perimeter(width, height):
    if width < 0 or height < 0:
        raise ValueError("a side cannot be negative")
    return 2 * (width + height)
"""
_COPY = f"Repeat this code exactly, without changes:\n\n{_CODE}\n{_CODE}"
_PROSE = "Write a story about a lighthouse keeper who finds a letter."
_REQUESTS = 16
_TOKENS = 64


def main() -> None:
    """Measure and print three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print(machine())
    _drafting(rounds)
    _batching(rounds)
    _sharing(rounds)


def _drafting(rounds: int) -> None:
    spec = _spec(slots=1)
    rates: dict[tuple[str, bool], list[float]] = {}
    for _ in range(rounds):
        for draft in (False, True):
            with _worker(replace(spec, draft="lookup" if draft else "off")) as lease:
                _ask(lease, "hello", 8, 0)
                for task, question in (("copying", _COPY), ("prose", _PROSE)):
                    timings = _ask(lease, question, 200, 0)["timings"]
                    rate = float(timings["predicted_per_second"])
                    rates.setdefault((task, draft), []).append(rate)
    print("\ndecode, tok/s (engine's clock)   off     prompt lookup")
    for task in ("copying", "prose"):
        off, on = (statistics.median(rates[task, draft]) for draft in (False, True))
        print(f"{task:<30} {off:>6.0f}  {on:>6.0f}   {on / off:.2f}x")


def _batching(rounds: int) -> None:
    widths = (1, 2, 4, 8)
    rates: dict[int, list[float]] = {width: [] for width in widths}
    with _worker(_spec(slots=max(widths))) as lease:
        _ask(lease, "hello", 8, 0)
        for number in range(rounds):
            for width in widths:
                rates[width].append(_throughput(lease, width, number))
    print(f"\n{_REQUESTS} requests of {_TOKENS} tokens, tok/s in all")
    one = statistics.median(rates[1])
    for width in widths:
        rate = statistics.median(rates[width])
        print(f"{width:>2} at a time {rate:>8.0f}   {rate / one:.2f}x")


def _throughput(lease: Lease, width: int, round_number: int) -> float:
    def one(number: int) -> int:
        # A nonce at the start keeps the prompt cache out of the figure.
        question = f"({round_number}-{width}-{number}) {_PROSE}"
        return int(_ask(lease, question, _TOKENS, number)["timings"]["predicted_n"])

    started = time.perf_counter()
    with ThreadPoolExecutor(max_workers=width) as pool:
        tokens = sum(pool.map(one, range(_REQUESTS)))
    return tokens / (time.perf_counter() - started)


def _sharing(rounds: int) -> None:
    """Beside a process that computes all the time, with OpenMP's waiting and with ours."""
    waits = {"OpenMP's own": "300000", "localai's": None}
    rates: dict[tuple[str, bool], list[float]] = {}
    for _ in range(rounds):
        for name, spins in waits.items():
            with _variable("GOMP_SPINCOUNT", spins), _worker(_spec(slots=1)) as lease:
                _ask(lease, "hello", 8, 0)
                for busy in (False, True):
                    with _company() if busy else nullcontext():
                        timings = _ask(lease, _PROSE, _TOKENS, 0)["timings"]
                    rate = float(timings["predicted_per_second"])
                    rates.setdefault((name, busy), []).append(rate)
    print("\ndecode, tok/s, how threads wait   alone    beside a busy process")
    for name in waits:
        alone, beside = (statistics.median(rates[name, busy]) for busy in (False, True))
        print(f"{name:<30} {alone:>8.0f} {beside:>24.1f}")


@contextmanager
def _company() -> Iterator[None]:
    """Another process that computes all the time."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def _variable(name: str, value: str | None) -> Iterator[None]:
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)


def _spec(slots: int) -> WorkerSpec:
    return WorkerSpec("llamacpp", str(starter_path(locate())), 4096, slots=slots)


def _worker(spec: WorkerSpec) -> Any:
    # A home of its own for each worker, so that the next variant starts a new one.
    home = Path(tempfile.mkdtemp(prefix="localai-benchmark-"))
    paths = locate({"LOCALAI_HOME": str(home)})
    return acquire(paths, spec, keep_alive_s=0, available_bytes=lambda: None)


def _ask(lease: Lease, question: str, tokens: int, seed: int) -> Any:
    body = {
        "messages": [{"role": "user", "content": question}],
        "max_tokens": tokens,
        "temperature": 0,
        "seed": seed,
        "ignore_eos": True,
    }
    return call(lease.files.socket, "POST", "/v1/chat/completions", body, timeout_s=600)


if __name__ == "__main__":
    with needing(), home_with_starter():
        main()

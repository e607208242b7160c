"""What a batch gains over one question at a time, and what it loses to the engine's own batching.

    python -m benchmarks.batch [--rounds 3] [--prompts 64] [--jobs 8]

Uses a home of its own with the tests' weights. Three ways over one warm
worker, in turn: `localai batch -j 1`, `localai batch -j N`, and N threads that send the same
bodies to the worker's socket with nothing in between. The commands are timed from outside, their
start included; every answer has the same number of tokens, and a number at the start of each
question keeps the prompt cache out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.measuring import home_with_starter, localai, machine, needing
from localai.engine.lifecycle import workers
from localai.engine.worker_files import locked
from localai.net.http import call
from localai.paths import locate
from localai.stores.starter import STARTER

_TOKENS = 48
_QUESTION = "Write a story about a lighthouse keeper who finds a letter."


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--jobs", type=int, default=8)
    given = parser.parse_args()
    print(machine())
    _batch(["warm up"] * given.jobs, given.jobs)
    ways: dict[str, Callable[[list[str]], float]] = {
        "localai batch -j 1": lambda questions: _batch(questions, 1),
        f"localai batch -j {given.jobs}": lambda questions: _batch(questions, given.jobs),
        f"bare HTTP, {given.jobs} at a time": lambda questions: _bare(questions, given.jobs),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(given.rounds):
        for name, way in ways.items():
            prefix = f"{number}-{len(name)}"
            questions = [f"({prefix}-{each}) {_QUESTION}" for each in range(given.prompts)]
            rates[name].append(given.prompts * _TOKENS / way(questions))
    print(
        f"\n{given.prompts} questions of {_TOKENS} tokens, tok/s in all, median of {given.rounds}"
    )
    for name, samples in rates.items():
        shown = ", ".join(f"{rate:.0f}" for rate in samples)
        print(f"{name:<26} {statistics.median(samples):>6.0f}   ({shown})")
    one, batch, bare = rates.values()
    print(f"batch over one at a time: {_ratio(batch, one):.2f} (median of pairs)")
    print(f"batch over bare HTTP:     {_ratio(batch, bare):.2f} (median of pairs)")


def _ratio(above: list[float], below: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def _options() -> dict[str, Any]:
    return {"max_tokens": _TOKENS, "temperature": 0, "repeat_penalty": 1.1, "seed": 1}


def _batch(questions: list[str], jobs: int) -> float:
    """Seconds that the command takes."""
    options = {**_options(), "provider.ignore_eos": True}
    with tempfile.TemporaryDirectory() as folder:
        prompts, answers = Path(folder) / "prompts.jsonl", Path(folder) / "answers.jsonl"
        lines = (json.dumps({"prompt": each, "options": options}) for each in questions)
        prompts.write_text("".join(line + "\n" for line in lines))
        command = localai(
            "batch", str(prompts), "--output", str(answers), "-m", "starter", "-n", "-q"
        )
        started = time.perf_counter()
        subprocess.run([*command, "-j", str(jobs)], check=True)
        seconds = time.perf_counter() - started
        used = [json.loads(line)["usage"]["output_tokens"] for line in answers.open()]
    assert used == [_TOKENS] * len(questions), "every answer has the same length"
    return seconds


def _bare(questions: list[str], jobs: int) -> float:
    """Seconds that the engine takes for the same questions."""
    ((files, info),) = workers(locate())
    assert info.spec.slots >= jobs

    def ask(question: str) -> None:
        system = {"role": "system", "content": STARTER.system_prompt}
        messages = [system, {"role": "user", "content": question}]
        body = {"messages": messages, **_options(), "ignore_eos": True}
        answer = call(files.socket, "POST", "/v1/chat/completions", body, timeout_s=600)
        assert answer["usage"]["completion_tokens"] == _TOKENS

    started = time.perf_counter()
    # A worker that computes although nobody holds its lease ends itself.
    with locked(files.lease, shared=True), ThreadPoolExecutor(max_workers=jobs) as pool:
        list(pool.map(ask, questions))
    return time.perf_counter() - started


if __name__ == "__main__":
    with needing(), home_with_starter():
        main()

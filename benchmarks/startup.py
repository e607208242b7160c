"""How soon localai answers: `--help`, a cold and a warm one-shot, beside curl to the same worker.

    python -m benchmarks.startup [--runs 15]

Uses a home of its own with the tests' weights.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

from benchmarks.measuring import (
    Run,
    home_with_starter,
    interleaved,
    localai,
    machine,
    milliseconds,
    needing,
    run,
)
from localai.engine.lifecycle import workers
from localai.paths import locate

_QUESTION = "What is the capital of France?"
_TOKENS = 16


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    print(machine())
    help_times = interleaved(
        {
            "python -c pass": [sys.executable, "-c", "pass"],
            "import typer": [sys.executable, "-c", "import typer"],
            "localai --help": localai("--help"),
        },
        runs,
    )
    for name, results in help_times.items():
        print(f"{name:<24} {milliseconds([each.total_s for each in results])}")

    question = localai("chat", "-q", "-n", "--max-tokens", str(_TOKENS), _QUESTION)
    recorded = localai("chat", "-q", "--max-tokens", str(_TOKENS), _QUESTION)
    print(f"{'cold one-shot':<24} {_both(_cold(question, min(runs, 7)))}")
    run(question)
    warm = interleaved({"curl": _curl(), "localai": question, "localai, kept": recorded}, runs)
    for name, results in warm.items():
        print(f"{'warm: ' + name:<24} {_both(results)}")
    pairs = zip(warm["localai, kept"], warm["curl"], strict=True)
    gap = statistics.median(ours.first_byte_s - curls.first_byte_s for ours, curls in pairs)
    print(f"first byte after curl's: {gap * 1000:.0f} ms (median of pairs)")


def _cold(question: list[str], runs: int) -> list[Run]:
    results = []
    for _ in range(runs):
        subprocess.run(localai("stop", "--all"), check=True, capture_output=True)
        results.append(run(question))
    return results


def _curl() -> list[str]:
    ((files, _),) = workers(locate())
    body = {
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": _QUESTION},
        ],
        "temperature": 0,
        "repeat_penalty": 1.1,
        "max_tokens": _TOKENS,
        "stream": True,
    }
    url = "http://localhost/v1/chat/completions"
    header = "Content-Type: application/json"
    return [
        *("curl", "-sN", "--unix-socket", str(files.socket), "-H", header),
        *("-d", json.dumps(body), url),
    ]


def _both(results: list[Run]) -> str:
    first = milliseconds([each.first_byte_s for each in results])
    return f"first byte {first}, end {milliseconds([each.total_s for each in results])}"


if __name__ == "__main__":
    with needing("curl"), home_with_starter():
        main()

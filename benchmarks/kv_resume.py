"""A long conversation that goes on after the engine was stopped: its KV state from the disk,
against prefilling it again.

    python -m benchmarks.kv_resume [--rounds 2] [--tokens 4900]

Uses the tests' weights and a home of its own. The conversation is held once;
then the engine is stopped and the same next question is asked with the state and without it, in
turn, each time from a copy of the home as it was. Times are those of `localai chat --json`: from
the request to the first token, the start of the engine included and not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measuring import add_starter, localai, machine, needing
from localai.paths import locate
from tests.servers.weights import fetch_smollm2

_FACT = "Ship {} left the harbour of Riga with {} crates of apples and came back without them. "
_TOKENS_A_FACT = 24.6
_NEXT = "Which fruit was it?"


@dataclass(frozen=True, slots=True)
class _First:
    """The first token of an answer: seconds from the request, with and without the engine's start;
    how much of the prompt was not computed."""

    with_start_s: float
    without_start_s: float
    input_tokens: int
    cached_tokens: int


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=4900)
    given = parser.parse_args()
    weights = fetch_smollm2()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="localai-benchmark-") as folder:
        home = Path(folder) / "home"
        add_starter(locate({"LOCALAI_HOME": str(home)}), weights)
        count = round(given.tokens / _TOKENS_A_FACT)
        facts = "".join(_FACT.format(number, 7 * number % 90) for number in range(count))
        _answer(home, f"{facts}\nSay yes.")
        states = list(locate({"LOCALAI_HOME": str(home)}).kv_dir.rglob("*.kv"))
        size = sum(file.stat().st_size for file in states)
        results: dict[str, list[_First]] = {"state from the disk": [], "prefilled again": []}
        for number in range(given.rounds):
            for name, found in results.items():
                copy = Path(folder) / f"{number}-{len(name)}"
                shutil.copytree(home, copy, symlinks=True)
                if name == "prefilled again":
                    shutil.rmtree(locate({"LOCALAI_HOME": str(copy)}).kv_dir)
                found.append(_answer(copy, "-c", _NEXT))
                shutil.rmtree(copy)
    _show(results, size)


def _show(results: dict[str, list[_First]], state_bytes: int) -> None:
    resumed, again = results.values()
    print(
        f"\n{again[0].input_tokens:,} tokens, a state of {state_bytes / 1e6:.0f} MB;"
        f" the first token, median of {len(resumed)}"
    )
    print(f"{'':<22} {'computed':>8}  engine's start counted   not counted")
    for name, found in results.items():
        computed = found[0].input_tokens - found[0].cached_tokens
        with_start = statistics.median(each.with_start_s for each in found)
        without = statistics.median(each.without_start_s for each in found)
        print(f"{name:<22} {computed:>8,}  {with_start:>19.2f} s   {without:>9.2f} s")
    pairs = list(zip(again, resumed, strict=True))
    with_start = statistics.median(a.with_start_s / b.with_start_s for a, b in pairs)
    without = statistics.median(a.without_start_s / b.without_start_s for a, b in pairs)
    print(f"{'sooner, by pairs':<22} {'':>8}  {with_start:>19.0f} x   {without:>9.0f} x")


def _answer(home: Path, *arguments: str) -> _First:
    """Ask an engine that does not run yet, and stop it."""
    environment = {**os.environ, "LOCALAI_HOME": str(home)}
    command = localai("chat", "--json", "-m", "starter", "--max-tokens", "4", "--ctx", "6144")
    try:
        printed = subprocess.run(
            [*command, "--seed", "1", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
    finally:
        subprocess.run(localai("stop", "--all"), env=environment, stderr=subprocess.DEVNULL)
    document: dict[str, Any] = json.loads(printed)
    first = document["timings"]["time_to_first_token_s"]
    return _First(
        first,
        first - (document["timings"]["load_s"] or 0),
        document["usage"]["input_tokens"],
        document["usage"]["cached_tokens"] or 0,
    )


if __name__ == "__main__":
    with needing():
        main()

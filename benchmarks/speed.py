"""How well speed is predicted, before and after a first answer; how long `localai hardware` takes.

    python -m benchmarks.speed [FILE.gguf …] [--runs 5]

For each file, by default both of the tests: what `localai show` predicts on a machine that never
ran it, then answers of 100 tokens through `localai chat`, then the prediction again once one of
them is known. The files are copied into a home of the benchmark's own. Bandwidth is measured once,
at the start.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.measuring import (
    files_or_the_tests,
    interleaved,
    localai,
    machine,
    milliseconds,
    needing,
)

_QUESTION = "Tell me about the history of Paris."
_TOKENS = "100"


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="localai-bench-") as name:
        environment = {**os.environ, "LOCALAI_HOME": name}
        found = _ask(environment, "hardware")["machine"]["memory_bandwidth"]
        print(f"bandwidth {found['value'] / 1e9:.0f} GB/s ({found['source']})\n")
        try:
            for file in files_or_the_tests(arguments.files):
                _model(file, Path(name), environment, arguments.runs)
        finally:
            subprocess.run(localai("stop", "--all"), env=environment, capture_output=True)
        timed = interleaved({"hardware": localai("hardware")}, 9, environment)
        print(f"\nlocalai hardware {milliseconds([run.total_s for run in timed['hardware']])}")


def _model(file: Path, home: Path, environment: Mapping[str, str], runs: int) -> None:
    models = home / "data/models"
    models.mkdir(parents=True, exist_ok=True)
    # Under a name of its own: the starter's would be taken for the starter.
    copy = models / f"measured-{file.name}"
    shutil.copyfile(file, copy)
    before = _predicted(copy, environment)
    first = _answer(copy, environment, keep=True)
    after = _predicted(copy, environment)
    others = [_answer(copy, environment, keep=False) for _ in range(runs)]
    usual = statistics.median(others)
    print(
        f"{file.name}: predicted {before:.0f}, first answer {first:.0f}, then predicted "
        f"{after:.0f}; median of {runs} more {usual:.0f} tok/s "
        f"({before / usual - 1:+.0%} before, {after / usual - 1:+.0%} after)",
        flush=True,
    )


def _predicted(file: Path, environment: Mapping[str, str]) -> float:
    document = _ask(environment, "show", file.stem)
    return float(document["speed"]["expected_tokens_per_s"])


def _answer(file: Path, environment: Mapping[str, str], *, keep: bool) -> float:
    kept = [] if keep else ["-n"]
    limit = ["-o", "max_tokens", _TOKENS]
    document = _ask(environment, "chat", "-m", file.stem, *kept, *limit, _QUESTION)
    return float(document["timings"]["decode_tokens_per_s"])


def _ask(environment: Mapping[str, str], *arguments: str) -> Any:
    command = localai(*arguments, "--json")
    result = subprocess.run(command, env=environment, capture_output=True, check=True)
    return json.loads(result.stdout)


if __name__ == "__main__":
    with needing():
        main()

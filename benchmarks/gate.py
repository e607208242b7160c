"""The gate of `localai bench --against`, on a real engine: how often it is closed to a build that
is no slower, and how often it finds one that is.

    python -m benchmarks.gate [--runs 50] [--loss 6] [--on engine|schedule]
                              [--only itself|neighbour|slower] [-- OPTION …]

A baseline is saved, and the same is measured against it: alone, beside a process that computes
every other second, and slower by `--loss` percent. On the engine that is real: it spins a while
after each step that it computed (needs gcc, Linux). On a schedule a server of ours answers, at a
pace that varies by 2% from answer to answer: so a machine would do that has no moods of its own.
Each run is a command of its own, with an engine that it starts, and is told on stderr. Further
options are those of `localai bench`; without any: `--quick`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import home_with_starter, localai, machine, needing
from tests.support.paced_server import PacedServer, Schedule

_Way = Callable[[], AbstractContextManager[None]]

_SLOWER = 8
"""The exit code of a gate that is closed, and of a baseline that is too noisy to be one."""
_SAVING = 10
"""So often a baseline is tried."""
_SCHEDULE = Schedule(first_s=0.02, prefill_s_per_token=0.001, gap_s=0.01, noise=0.02)

_SPINNING = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

int ggml_backend_sched_graph_compute_async(void *scheduler, void *graph) {
  static int (*compute)(void *, void *);
  if (!compute)
    compute = dlsym(dlopen(ENGINE, RTLD_LAZY | RTLD_NOLOAD),
                    "ggml_backend_sched_graph_compute_async");
  double begin = now();
  int result = compute(scheduler, graph);
  double end = begin + (now() - begin) / (1 - LOSS);
  while (now() < end) {}
  return result;
}
"""
# Loaded before the engine, and for everybody, its function is found before the engine's own.
_LOADING = "import ctypes\nctypes.CDLL({library!r}, mode=ctypes.RTLD_GLOBAL)\n"

_COMPUTING = """
import time
while True:
    end = time.monotonic() + 1
    while time.monotonic() < end:
        pass
    time.sleep(1)
"""


def main() -> None:
    """Measure and print a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--loss", type=float, default=6.0, help="in percent")
    parser.add_argument("--on", choices=_SUBJECTS, default="engine")
    parser.add_argument("--only", choices=("itself", "neighbour", "slower"), action="append")
    parser.add_argument("further", nargs="*", help="options of `localai bench`, after --")
    given = parser.parse_args()
    print(machine())
    with _SUBJECTS[given.on](given.loss / 100) as subject:
        measuring = ["bench", subject.model, *(given.further or ["--quick"])]
        print(f"localai {' '.join(measuring)}, {given.runs} runs each")
        print(f"the baseline was kept at try {_save(measuring)}", flush=True)
        ways: dict[str, _Way]
        ways = {"itself": nullcontext, "neighbour": _neighbour, "slower": subject.slower}
        for name in given.only or ways:
            with ways[name]():
                _row(name, [_against(measuring) for _ in range(given.runs)])


def _save(measuring: Sequence[str]) -> int:
    """Save the baseline; how many runs it took until one was quiet."""
    for number in range(1, _SAVING + 1):
        _stop()
        done = subprocess.run(
            localai(*measuring, "--save", "gate", "-q"), stdout=subprocess.DEVNULL
        )
        if done.returncode == 0:
            return number
        if done.returncode != _SLOWER:
            sys.exit(f"localai bench --save ended with {done.returncode}")
    sys.exit(f"of {_SAVING} runs none was quiet enough to be a baseline")


@dataclass(frozen=True, slots=True)
class _Run:
    """What a run came to: whether the gate was closed, the row's verdict, and of each metric the
    state and the change, a fraction."""

    alarm: bool
    verdict: str
    states: dict[str, str]
    changes: dict[str, float]


def _against(measuring: Sequence[str]) -> _Run:
    _stop()
    command = localai(*measuring, "--against", "gate", "--json", "-q")
    done = subprocess.run(command, stdout=subprocess.PIPE)
    if done.returncode not in (0, _SLOWER):
        sys.exit(f"localai bench --against ended with {done.returncode}")
    [result] = json.loads(done.stdout)["results"]
    metrics = {each["metric"].partition("_")[0]: each for each in result["comparison"]}
    run = _Run(
        done.returncode == _SLOWER,
        result["verdict"],
        {name: each["state"] for name, each in metrics.items()},
        {name: each["change"]["value"] for name, each in metrics.items() if each["change"]},
    )
    reasons = [each["reason"] for each in metrics.values()]
    print(run, *reasons, *result["notes"], sep="; ", file=sys.stderr, flush=True)
    return run


def _row(name: str, runs: Sequence[_Run]) -> None:
    alarms, quiet = sum(each.alarm for each in runs), sum(each.verdict == "quiet" for each in runs)
    print(f"\n{name}: {alarms} alarms in {len(runs)} runs, {quiet} of them quiet")
    for metric in runs[0].states:
        states = Counter(each.states[metric] for each in runs).most_common()
        changes = [each.changes[metric] for each in runs if metric in each.changes]
        middle = f", {statistics.median(changes):+.1%} in the median" if changes else ""
        print(f"  {metric}: {', '.join(f'{count} {state}' for state, count in states)}{middle}")
    sys.stdout.flush()


def _stop() -> None:
    subprocess.run(localai("stop", "--all"), capture_output=True, check=True)


@dataclass(frozen=True, slots=True)
class _Subject:
    """A model, and what makes it slower."""

    model: str
    slower: _Way


@contextmanager
def _engine(loss: float) -> Iterator[_Subject]:
    """The starter in the embedded engine, which takes 1/(1 - `loss`) of its time for every step
    once it is slower."""
    found = importlib.util.find_spec("xllamacpp.xllamacpp")
    assert found is not None
    with needing("gcc"), tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "slower.c", Path(folder) / "slower.so"
        source.write_text(_SPINNING)
        flags = [f'-DENGINE="{found.origin}"', f"-DLOSS={loss}", "-O2", "-shared", "-fPIC"]
        subprocess.run(["gcc", *flags, str(source), "-o", str(library), "-ldl"], check=True)
        (Path(folder) / "sitecustomize.py").write_text(_LOADING.format(library=str(library)))
        yield _Subject("starter", lambda: _python_path(folder))


@contextmanager
def _python_path(folder: str) -> Iterator[None]:
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (folder, before)))
    try:
        yield
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


@contextmanager
def _schedule(loss: float) -> Iterator[_Subject]:
    """A server that answers when it is due."""
    with PacedServer(_SCHEDULE) as server:
        subprocess.run(localai("config", "set", "endpoint.gate.url", server.url), check=True)
        yield _Subject("gate/paced", lambda: _slower_schedule(server, loss))


@contextmanager
def _slower_schedule(server: PacedServer, loss: float) -> Iterator[None]:
    before, factor = server.schedule, 1 / (1 - loss)
    server.set(
        first_s=factor * before.first_s,
        prefill_s_per_token=factor * before.prefill_s_per_token,
        gap_s=factor * before.gap_s,
    )
    try:
        yield
    finally:
        server.schedule = before


@contextmanager
def _neighbour() -> Iterator[None]:
    """Beside a process that computes on a core every other second."""
    neighbour = subprocess.Popen([sys.executable, "-c", _COMPUTING])
    try:
        yield
    finally:
        neighbour.kill()
        neighbour.wait()


_SUBJECTS = {"engine": _engine, "schedule": _schedule}


if __name__ == "__main__":
    with needing(), home_with_starter():
        main()

"""How long `localai doctor` takes where nothing is wrong, what of it is Python's start, and where
the rest goes.

    python -m benchmarks.doctor [--runs 15]

Whole processes in turn with a bare interpreter and `localai --version`: wall time, which a busy
machine stretches, and processor time, which it does not. Then the processor time of each probe by
itself, in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.measuring import (
    Spent,
    home_with_starter,
    localai,
    machine,
    milliseconds,
    needing,
    spent,
)

_ONE_PROBE = """\
import sys, time, resource
from localai.commands.doctor import _context
from localai.doctor.capture import PROBES
context = _context()
(probe,) = (each for each in PROBES if each.field == sys.argv[1])
def spent():
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, (
        resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
before, started = spent(), time.perf_counter()
probe.look(context)
print(spent() - before, time.perf_counter() - started)
"""


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    print(machine())
    commands: dict[str, Sequence[str]] = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "localai --version": localai("--version"),
        "localai doctor": localai("doctor"),
    }
    found: dict[str, list[Spent]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            # 8: it has found something, as on most machines.
            taken = spent(command, codes=(0, 8))
            if turn:
                found[name].append(taken)
    for name, times in found.items():
        wall = milliseconds([each.wall_s for each in times])
        processor = milliseconds([each.processor_s for each in times])
        print(f"{name:<20} wall {wall:<22} processor {processor}")
    print()
    for field, processor_s, wall_s in sorted(_probes(), key=lambda row: -row[1]):
        print(f"{field:<14} processor {processor_s * 1000:4.0f} ms, wall {wall_s * 1000:4.0f} ms")


def _probes() -> list[tuple[str, float, float]]:
    """Each probe alone, the median of three by its processor time."""
    from localai.doctor.capture import PROBES

    found = []
    for probe in PROBES:
        times = []
        for _ in range(3):
            command = [sys.executable, "-c", _ONE_PROBE, probe.field]
            said = subprocess.run(command, capture_output=True, check=True, text=True).stdout
            processor, wall = map(float, said.split())
            times.append((processor, wall))
        processor_s, wall_s = sorted(times)[1]
        found.append((probe.field, processor_s, wall_s))
    return found


if __name__ == "__main__":
    with needing(), home_with_starter():
        main()

"""What happened to the machine during a measurement.

The difference of two readings, before and after: the CPU that others took, what the hypervisor
took, swapping, throttling. Linux gives all of them, other systems fewer; an unknown one is
None and disturbs nothing. A failed reading never stops a measurement.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from localai.bench.processes import cpu_s, tick_s
from localai.dataclass import dataclass
from localai.hardware.readers import read_integer, read_text

# With more CPU than this taken by others, a repetition is disturbed. Little is enough, because
# decoding waits for its slowest thread.
OTHERS_LIMIT: Final = 0.06
STEAL_LIMIT: Final = 0.03
SWAPPED_LIMIT: Final = 256
# A shorter reading is too short for a share.
_LEAST_S: Final = 0.08


@dataclass(frozen=True, slots=True)
class Reading:
    """The machine's counters at a moment; None is unknown. Names in `_s` are seconds of CPU time of
    all cores, `at` is the clock."""

    at: float
    busy_s: float | None
    whole_s: float | None
    steal_s: float | None
    ours_s: float
    engine_s: float | None
    swapped_pages: int | None
    throttled: int | None
    pressure_s: float | None


@dataclass(frozen=True, slots=True)
class Noise:
    """What happened between two readings. `others` and `steal` are shares of the whole CPU, 0 to 1.
    `pressure` is the share of the time in which some task waited for a CPU, `client` how much of a
    core localai itself took."""

    others: float | None = None
    steal: float | None = None
    pressure: float | None = None
    swapped_pages: int | None = None
    throttled: int | None = None
    client: float | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """The causes of a disturbance, in fixed phrases."""
        found = []
        if self.others is not None and self.others > OTHERS_LIMIT:
            found.append(f"others took {self.others:.0%} of the CPU")
        if self.steal is not None and self.steal > STEAL_LIMIT:
            found.append(f"the hypervisor took {self.steal:.0%} of the CPU")
        if self.swapped_pages is not None and self.swapped_pages > SWAPPED_LIMIT:
            found.append("memory was swapped")
        if self.throttled:
            found.append("the CPU was throttled")
        return tuple(found)


UNKNOWN_NOISE: Final = Noise()
"""Where nothing could be read."""


def read(engine_pid: int | None, root: Path = Path("/")) -> Reading:
    """The counters now; `engine_pid` is the process that computes, whose children count too."""
    times = os.times()
    busy, whole, steal = _cpu(root)
    return Reading(
        at=time.perf_counter(),
        busy_s=busy,
        whole_s=whole,
        steal_s=steal,
        # Not the children's: a worker that is replaced would count here with its whole life.
        ours_s=times.user + times.system,
        engine_s=None if engine_pid is None else cpu_s(engine_pid, root),
        swapped_pages=_swapped(root),
        throttled=_throttled(root),
        pressure_s=_pressure(root),
    )


def between(before: Reading, after: Reading) -> Noise:
    """What happened from `before` to `after`."""
    whole = _difference(before.whole_s, after.whole_s)
    if whole is None or whole < _LEAST_S:
        return Noise()
    busy = _difference(before.busy_s, after.busy_s)
    engine = _difference(before.engine_s, after.engine_s)
    steal = _difference(before.steal_s, after.steal_s)
    pressure = _difference(before.pressure_s, after.pressure_s)
    others = None
    if busy is not None and engine is not None:
        others = max(0.0, busy - engine - (after.ours_s - before.ours_s)) / whole
    swapped, throttled = before.swapped_pages, before.throttled
    return Noise(
        client=(after.ours_s - before.ours_s) / (after.at - before.at),
        others=others,
        steal=None if steal is None else steal / whole,
        pressure=None if pressure is None else min(1.0, pressure / (after.at - before.at)),
        swapped_pages=None
        if swapped is None or after.swapped_pages is None
        else after.swapped_pages - swapped,
        throttled=None
        if throttled is None or after.throttled is None
        else after.throttled - throttled,
    )


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else max(0.0, after - before)


def _cpu(root: Path) -> tuple[float | None, float | None, float | None]:
    """Busy, whole and stolen seconds of all cores."""
    text = read_text(root / "proc/stat")
    if not text:
        return _cpu_elsewhere()
    ticks = tick_s()
    fields = [int(field) * ticks for field in text.splitlines()[0].split()[1:9]]
    user, nice, system, idle, waiting, hard, soft, steal = (fields + [0.0] * 8)[:8]
    busy = user + nice + system + hard + soft
    return busy, busy + idle + waiting + steal, steal


def _cpu_elsewhere() -> tuple[float | None, float | None, float | None]:
    import psutil

    times = psutil.cpu_times()
    whole = sum(times)
    return whole - times.idle, whole, None


def _swapped(root: Path) -> int | None:
    text = read_text(root / "proc/vmstat")
    if text is None:
        return None
    rows = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    return int(rows.get("pswpin", 0)) + int(rows.get("pswpout", 0))


def _throttled(root: Path) -> int | None:
    counts = [
        read_integer(file)
        for file in root.glob("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count")
    ]
    known = [each for each in counts if each is not None]
    return sum(known) if known else None


def _pressure(root: Path) -> float | None:
    text = read_text(root / "proc/pressure/cpu")
    first = (text or "").partition("\n")[0]
    return int(first.rpartition("total=")[2]) / 1e6 if "total=" in first else None

"""How much energy the machine has taken, where it says so: two readings, before and after.

    RAPL        Linux's counters of the processor's packages and memory, in microjoules; since
                Linux 5.10 they are root's, unless a rule of udev opens them
    NVIDIA      the driver's counter by NVML (Volta and later), which moves every 0.1 s (H100);
                else the power that `nvidia-smi` prints, added up
    battery     the power that it gives, added up, where the machine runs on it

Apple's `powermetrics` needs root and is not asked. What is not told is unknown, never 0.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import Any, Final, Literal

from localai.dataclass import dataclass
from localai.finite import is_finite
from localai.hardware.readers import read_integer, read_text

Method = Literal["RAPL", "NVML", "nvidia-smi", "battery"]

_LEAST_S: Final[Mapping[Method, float]] = {
    "RAPL": 0.1,
    "NVML": 0.5,
    "nvidia-smi": 2.0,
    "battery": 2.0,
}
"""A shorter time says nothing: so seldom do the figures move."""

_SMI_EVERY_MS: Final = 200
_LOOK_EVERY_S: Final = 0.5
_FIRST_S: Final = 0.6
_IDLE_S: Final = 2.1


@dataclass(frozen=True, slots=True)
class EnergyReading:
    """What the counters show at a moment, in joules by domain; `wraps` are the values at which
    they begin again."""

    at: float
    method: Method
    joules: Mapping[str, float]
    wraps: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Energy:
    """The joules of `seconds`: of all `domains` together, by those `methods`."""

    joules: float
    seconds: float
    methods: tuple[Method, ...]
    domains: tuple[str, ...]

    @property
    def watts(self) -> float:
        """The mean power."""
        return self.joules / self.seconds


def energy_between(
    before: tuple[EnergyReading, ...], after: tuple[EnergyReading, ...]
) -> Energy | None:
    """What was taken from one reading to the other; None where nothing is known, or the time is
    too short for one of them."""
    joules, seconds = 0.0, 0.0
    methods: list[Method] = []
    domains: list[str] = []
    earlier = {each.method: each for each in before}
    for now in after:
        then = earlier.get(now.method)
        if then is None or now.at - then.at < _LEAST_S[now.method]:
            return None
        for name, value in now.joules.items():
            if name in then.joules:
                taken = value - then.joules[name]
                # A counter that has begun again; once at most, it takes minutes.
                joules += taken if taken >= 0 else taken + now.wraps.get(name, 0.0)
                domains.append(name)
        methods.append(now.method)
        seconds = max(seconds, now.at - then.at)
    if not domains or joules <= 0:
        return None
    return Energy(joules, seconds, tuple(methods), tuple(domains))


Source = Callable[[], EnergyReading | None]


class EnergyMeter:
    """The counters of this machine. `sources` are asked in turn."""

    def __init__(self, sources: tuple[Source, ...]) -> None:
        self._sources = sources

    def idle(self) -> Energy | None:
        """What the machine takes while nothing is asked of it: over two seconds, which pass.
        None, at once, where nothing tells."""
        if not self._sources:
            return None
        time.sleep(_FIRST_S)
        before = self.read()
        time.sleep(_IDLE_S)
        return energy_between(before, self.read())

    def read(self) -> tuple[EnergyReading, ...]:
        """What each counter shows now."""
        return tuple(found for source in self._sources if (found := source()) is not None)


NO_METER: Final = EnergyMeter(())
"""Where nothing tells."""


@contextmanager
def energy_meter(root: Path = Path("/")) -> Iterator[EnergyMeter]:
    """The counters that can be read here. The battery counts only alone: it also feeds what the
    others measure."""
    stop: list[Callable[[], None]] = []
    sources: list[Source] = []
    if _rapl(root) is not None:
        sources.append(lambda: _rapl(root))
    graphics = _nvml(stop) or _smi(stop)
    if graphics is not None:
        sources.append(graphics)
    if not sources and (battery := _battery(root, stop)) is not None:
        sources.append(battery)
    try:
        yield EnergyMeter(tuple(sources))
    finally:
        for end in stop:
            end()


def _zones(root: Path) -> list[Path]:
    """The packages, and the memory beside each of them."""
    folder = root / "sys/class/powercap"
    packages = [
        zone
        for zone in sorted(folder.glob("intel-rapl:*"))
        if zone.name.count(":") == 1 and _name(zone).startswith("package")
    ]
    inner = (part for zone in packages for part in sorted(folder.glob(f"{zone.name}:*")))
    return [*packages, *(part for part in inner if _name(part) == "dram")]


def _name(zone: Path) -> str:
    return (read_text(zone / "name") or "").strip()


def _rapl(root: Path) -> EnergyReading | None:
    joules: dict[str, float] = {}
    wraps: dict[str, float] = {}
    for zone in _zones(root):
        found = read_integer(zone / "energy_uj")
        if found is not None:
            name = f"{_name(zone)} ({zone.name.partition(':')[2]})"
            joules[name] = found / 1e6
            wraps[name] = (read_integer(zone / "max_energy_range_uj") or 0) / 1e6
    return EnergyReading(time.perf_counter(), "RAPL", joules, wraps) if joules else None


def _battery(root: Path, stop: list[Callable[[], None]]) -> Source | None:
    """The power that batteries give, looked at all the time and added up; None where none does."""
    if not _discharge_watts(root):
        return None
    sums, ended = _Sums("battery"), threading.Event()

    def look() -> None:
        while not ended.wait(_LOOK_EVERY_S):
            for name, watts in _discharge_watts(root).items():
                sums.add(name, watts)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()

    def end() -> None:
        ended.set()
        thread.join(1)

    stop.append(end)
    return sums.read


def _discharge_watts(root: Path) -> dict[str, float]:
    """By battery, while it discharges; not that of a mouse or a headset."""
    watts: dict[str, float] = {}
    folder = root / "sys/class/power_supply"
    for supply in sorted(folder.iterdir()) if folder.is_dir() else ():
        if (read_text(supply / "status") or "").strip() != "Discharging":
            continue
        if (read_text(supply / "scope") or "").strip() == "Device":
            continue
        power_uw = read_integer(supply / "power_now")
        if power_uw is None:
            current_ua = read_integer(supply / "current_now")
            volts_uv = read_integer(supply / "voltage_now")
            if current_ua is None or volts_uv is None:
                continue
            power_uw = current_ua * volts_uv // 1_000_000
        watts[supply.name] = power_uw / 1e6
    return watts


def _nvml(stop: list[Callable[[], None]]) -> Source | None:
    """The driver's own counters; None without its package or without counters."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    stop.append(pynvml.nvmlShutdown)

    def read() -> EnergyReading | None:
        joules: dict[str, float] = {}
        try:
            for index in range(pynvml.nvmlDeviceGetCount()):
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                used = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
                joules[f"GPU {index}"] = used / 1000
        except pynvml.NVMLError:
            return None
        return EnergyReading(time.perf_counter(), "NVML", joules) if joules else None

    return read if read() is not None else None


def _smi(stop: list[Callable[[], None]]) -> Source | None:
    """The power that `nvidia-smi` prints all the time, added up; None without it."""
    import shutil

    from localai.privacy.environment import child_environment
    from localai.privacy.guard import child

    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    query = ("--query-gpu=index,power.draw", "--format=csv,noheader,nounits")
    with child("nvidia-smi, to see how much power graphics take"):
        process = subprocess.Popen(
            [tool, *query, "-lms", str(_SMI_EVERY_MS)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
            env=child_environment("system"),
        )
    sums = _Sums("nvidia-smi")
    thread = threading.Thread(target=sums.follow, args=(process,), daemon=True)
    thread.start()

    def end() -> None:
        process.kill()
        process.wait()
        thread.join(1)
        assert process.stdout is not None
        process.stdout.close()

    stop.append(end)
    return sums.read


class _Sums:
    """Joules by device, from its watts at one moment after the other."""

    def __init__(self, method: Method) -> None:
        self._method = method
        self._joules: dict[str, float] = {}
        self._last: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def follow(self, process: Any) -> None:
        """Add up what the process prints: `0, 71.20`; `[N/A]` and `nan` are unknown."""
        for line in process.stdout:
            index, _, watts = line.partition(",")
            try:
                device, power = f"GPU {int(index)}", float(watts)
            except ValueError:
                continue
            if is_finite(power):
                self.add(device, power)

    def add(self, name: str, watts: float) -> None:
        """A device takes so much just now."""
        now = time.perf_counter()
        with self._lock:
            if name in self._last:
                then, before = self._last[name]
                self._joules[name] += (now - then) * (watts + before) / 2
            else:
                self._joules[name] = 0.0
            self._last[name] = (now, watts)

    def read(self) -> EnergyReading | None:
        """The sums now; None before the first line."""
        with self._lock:
            if not self._joules:
                return None
            return EnergyReading(time.perf_counter(), self._method, dict(self._joules))

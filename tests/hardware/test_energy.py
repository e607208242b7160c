"""How much energy was taken: from counters as machines have them, and never 0 for unknown."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from localai.hardware.energy import EnergyReading, energy_between, energy_meter
from tests.support.clock import becomes


def put(root: Path, folder: str, **values: object) -> None:
    where = root / "sys/class" / folder
    where.mkdir(parents=True, exist_ok=True)
    for name, value in values.items():
        (where / name).write_text(f"{value}\n")


@pytest.fixture
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with two packages, memory that is counted, and no graphics that tell anything."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    wraps = 262_143_328_850
    put(tmp_path, "powercap/intel-rapl:0", name="package-0", energy_uj=1_000_000)
    put(tmp_path, "powercap/intel-rapl:0", max_energy_range_uj=wraps)
    put(tmp_path, "powercap/intel-rapl:0:0", name="core", energy_uj=900_000)
    put(tmp_path, "powercap/intel-rapl:0:1", name="dram", energy_uj=500_000)
    put(tmp_path, "powercap/intel-rapl:0:1", max_energy_range_uj=wraps)
    put(tmp_path, "powercap/intel-rapl:1", name="psys", energy_uj=7_000_000)
    return tmp_path


def test_packages_and_their_memory_are_added_and_parts_of_them_are_not(laptop: Path) -> None:
    with energy_meter(laptop) as meter:
        before = meter.read()
        put(laptop, "powercap/intel-rapl:0", energy_uj=31_000_000)
        put(laptop, "powercap/intel-rapl:0:0", energy_uj=25_000_000)
        put(laptop, "powercap/intel-rapl:0:1", energy_uj=5_500_000)
        time.sleep(0.12)
        found = energy_between(before, meter.read())
    assert found is not None
    assert found.joules == pytest.approx(35.0)
    assert found.domains == ("package-0 (0)", "dram (0:1)")
    assert found.methods == ("RAPL",)


def test_a_counter_that_begins_again_is_taken_on(laptop: Path) -> None:
    with energy_meter(laptop) as meter:
        put(laptop, "powercap/intel-rapl:0", energy_uj=262_143_000_000)
        before = meter.read()
        put(laptop, "powercap/intel-rapl:0", energy_uj=4_671_150)
        time.sleep(0.12)
        found = energy_between(before, meter.read())
    assert found is not None
    assert found.joules == pytest.approx(5.0)


def test_a_counter_that_is_not_ours_is_unknown(laptop: Path) -> None:
    for zone in ("intel-rapl:0", "intel-rapl:0:1"):
        file = laptop / "sys/class/powercap" / zone / "energy_uj"
        file.unlink()
        file.mkdir()  # cannot be read as a file, for root neither
    with energy_meter(laptop) as meter:
        assert meter.read() == ()
        assert meter.idle() is None


def test_too_short_a_time_says_nothing() -> None:
    before = (EnergyReading(10.0, "NVML", {"GPU 0": 100.0}),)
    assert energy_between(before, (EnergyReading(10.4, "NVML", {"GPU 0": 400.0}),)) is None
    found = energy_between(before, (EnergyReading(13.0, "NVML", {"GPU 0": 700.0}),))
    assert found is not None
    assert (found.joules, found.watts) == (600.0, 200.0)
    assert energy_between((), ()) is None, "nothing tells"


def test_the_driver_of_a_graphics_card_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = {"millijoules": 5_000_000}

    class NVMLError(Exception):
        pass

    def total(handle: Any) -> int:
        if handle:
            raise NVMLError("not supported before Volta")
        return counted["millijoules"]

    fake = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: counted.update(ended=1),
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetTotalEnergyConsumption=total,
    )
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    with energy_meter(tmp_path) as meter:
        (reading,) = meter.read()
    assert (reading.method, reading.joules) == ("NVML", {"GPU 0": 5000.0})
    assert counted["ended"] == 1
    # A card without a counter is unknown, not 0.
    fake.nvmlDeviceGetHandleByIndex = lambda index: index + 1
    with energy_meter(tmp_path) as meter:
        assert meter.read() == ()


def test_the_power_that_nvidia_smi_prints_is_added_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    odd = r"echo '1, [N/A]'; echo '0, nan'; echo '0, inf'; printf '\377, 5\n'"
    line = f"while :; do echo '0, 100.0'; {odd}; sleep 0.05; done"
    tool.write_text(f"#!/bin/sh\n{line}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with energy_meter(tmp_path / "none") as meter:
        assert becomes(lambda: any(r.joules["GPU 0"] > 5 for r in meter.read()), 30)
        (reading,) = meter.read()
    assert reading.method == "nvidia-smi"
    assert set(reading.joules) == {"GPU 0"}
    assert reading.joules["GPU 0"] < 1e6


def test_a_battery_that_discharges_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    current = {"current_now": 1_000_000, "voltage_now": 12_000_000}
    put(tmp_path, "power_supply/BAT0", status="Discharging", **current)
    put(tmp_path, "power_supply/mouse", status="Discharging", scope="Device", power_now=1)
    with energy_meter(tmp_path) as meter:
        assert becomes(lambda: any(r.joules["BAT0"] > 1 for r in meter.read()), 30)
        (reading,) = meter.read()
    assert (reading.method, set(reading.joules)) == ("battery", {"BAT0"})
    put(tmp_path, "power_supply/BAT0", status="Charging")
    with energy_meter(tmp_path) as meter:
        assert meter.read() == ()

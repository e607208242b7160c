"""Macs, by what sysctl and system_profiler print on them."""

from __future__ import annotations

import pytest

from localai.hardware import apple, host, power
from tests.hardware.captures import text

GIB = 1 << 30
MIB = 1 << 20


def test_an_m2_max() -> None:
    values = apple.parse_sysctl(text("sysctl-m2-max.txt"))
    found = apple.apple_cpu(values)
    assert found.model.value == "Apple M2 Max"
    assert (found.physical_cores.value, found.logical_cores.value) == (12, 12)
    assert (found.performance_cores.value, found.efficiency_cores.value) == (8, 4)
    assert found.instruction_sets.value == ("NEON", "FP16", "DOTPROD", "I8MM", "BF16")
    assert found.last_level_cache_bytes.value == 2 * 16 * MIB + 4 * MIB
    [gpu] = apple.apple_gpus(text("displays-m2-max.json"), values)
    assert gpu.name.value == "Apple M2 Max"
    assert gpu.vendor.value == "Apple"
    assert gpu.cores.value == 38
    assert gpu.unified.value is True
    assert gpu.usable_by.value == ("Metal",)
    assert gpu.compute_capability.value == "Metal 4"
    assert gpu.memory_total_bytes.value == 49152 * MIB
    assert gpu.memory_bandwidth.value == 400e9


def test_an_m5_max_has_fast_cores_of_two_kinds_and_none_that_save() -> None:
    named = apple.parse_sysctl(
        "hw.nperflevels: 2\n"
        "hw.perflevel0.name: Super\nhw.perflevel0.physicalcpu: 6\n"
        "hw.perflevel1.name: Performance\nhw.perflevel1.physicalcpu: 12\n"
    )
    cpu = apple.apple_cpu(named)
    assert (cpu.performance_cores.value, cpu.efficiency_cores.value) == (18, None)
    usual = apple.parse_sysctl(
        "hw.nperflevels: 2\n"
        "hw.perflevel0.name: Performance\nhw.perflevel0.physicalcpu: 8\n"
        "hw.perflevel1.name: Efficiency\nhw.perflevel1.physicalcpu: 4\n"
    )
    cpu = apple.apple_cpu(usual)
    assert (cpu.performance_cores.value, cpu.efficiency_cores.value) == (8, 4)


def test_the_same_chip_is_sold_with_two_bandwidths() -> None:
    [gpu] = apple.apple_gpus(text("displays-m3-max.json"), {})
    assert (gpu.cores.value, gpu.memory_bandwidth.value) == (40, 400e9)
    assert gpu.usable_by.value == ("Metal",)


def test_an_intel_mac_with_two_graphics_processors() -> None:
    values = apple.parse_sysctl(text("sysctl-intel-mac.txt"))
    assert "sysctl" not in values
    found = apple.apple_cpu(values)
    assert found.physical_cores.value == 8
    assert found.efficiency_cores.value is None
    assert found.instruction_sets.value == ("FMA", "AVX", "AVX2")
    assert found.last_level_cache_bytes.value == 16 * MIB
    intel, radeon = apple.apple_gpus(text("displays-intel-mac.json"), values)
    assert (intel.vendor.value, intel.shared_memory_bytes.value) == ("Intel", 1536 * MIB)
    assert (radeon.vendor.value, radeon.memory_total_bytes.value) == ("AMD", 8 * GIB)
    assert radeon.unified.value is False
    assert radeon.usable_by.value == ("Metal",)


def test_apple_silicon_has_graphics_even_where_system_profiler_fails() -> None:
    values = apple.parse_sysctl(text("sysctl-m2-max.txt"))
    for broken in ("", "not json", "{}", '{"SPDisplaysDataType": "none"}', "[]"):
        [gpu] = apple.apple_gpus(broken, values)
        assert gpu.name.value == "Apple M2 Max"
    assert apple.apple_gpus("", apple.parse_sysctl(text("sysctl-intel-mac.txt"))) == ()


@pytest.mark.parametrize(
    ("memory_gib", "mebibytes"),
    [(8, 5461.33), (16, 10922.67), (32, 21845.34), (36, 27648), (64, 49152), (96, 73728)],
)
def test_metals_working_set_is_as_llama_cpps_logs_show_it(
    memory_gib: int, mebibytes: float
) -> None:
    found = apple.metal_working_set(memory_gib * GIB, 0)
    assert found.value is not None
    assert found.value / MIB == pytest.approx(mebibytes, abs=0.01)
    assert found.confidence == "inferred"


def test_a_limit_that_the_user_set_holds() -> None:
    found = apple.metal_working_set(64 * GIB, 57344)
    assert (found.value, found.confidence) == (56 * GIB, "reported")


def test_python_under_rosetta_is_noticed() -> None:
    values = apple.parse_sysctl(text("sysctl-m2-max.txt"))
    assert host.mac_host(values).rosetta.value is False
    assert host.mac_host({**values, "sysctl.proc_translated": "1"}).rosetta.value is True
    intel = host.mac_host(apple.parse_sysctl(text("sysctl-intel-mac.txt")))
    assert intel.rosetta.value is False
    assert intel.virtual_machine.value == ""


@pytest.mark.parametrize(
    ("settings", "saving"),
    [
        (text("pmset-g.txt"), True),
        (text("pmset-g.txt").replace("lowpowermode         1", "lowpowermode         0"), False),
        (" powermode            2\n", False),
        ("", None),
    ],
)
def test_low_power_mode_is_read_from_pmset(settings: str, saving: bool | None) -> None:
    assert power.parse_low_power_mode(settings) is saving

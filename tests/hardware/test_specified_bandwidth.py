"""A card's bandwidth by its name, where no driver says it: only names that mean one card."""

from __future__ import annotations

import pytest

from localai.hardware.nvidia import parse_nvidia_smi
from localai.hardware.profiles import load_profile, profile_names
from localai.hardware.specified_bandwidth import (
    APPLE_CHIPS,
    bandwidth_of_apple_chip,
    bandwidth_of_card,
)
from tests.hardware.captures import text


@pytest.mark.parametrize(
    ("name", "gigabytes_per_s"),
    [
        ("NVIDIA GeForce RTX 4090", 1008),
        ("NVIDIA GeForce RTX 3060 Ti", 448),
        ("Tesla T4", 320),
        ("NVIDIA RTX A6000", 768),
        ("AMD Radeon RX 7900 XTX", 960),
        # Half of the desktop card's, by a name that begins like it.
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        # Sold with 8 and with 12 GB, on buses of two widths.
        ("NVIDIA GeForce RTX 3060", None),
        # A PCI id that four cards share.
        ("AMD Navi 31 [Radeon RX 7900 XT/7900 XTX/7900 GRE/7900M]", None),
        ("", None),
    ],
)
def test_a_name_means_one_card_or_nothing(name: str, gigabytes_per_s: int | None) -> None:
    fact = bandwidth_of_card(name, "nobody says")
    assert fact.value == (None if gigabytes_per_s is None else gigabytes_per_s * 1e9)
    assert fact.source == "nobody says" if gigabytes_per_s is None else "llmfit" in fact.source


@pytest.mark.parametrize(
    ("name", "gigabytes_per_s"),
    [("NVIDIA H100 80GB HBM3", 3350), ("NVIDIA H200", 4800)],
)
def test_a_card_of_data_centres_has_its_maker_s_figure(name: str, gigabytes_per_s: int) -> None:
    fact = bandwidth_of_card(name, "nobody says")
    assert (fact.value, fact.source) == (gigabytes_per_s * 1e9, "by its name, NVIDIA's data sheet")


@pytest.mark.parametrize(
    ("name", "gpu_cores", "gigabytes_per_s"),
    [
        ("Apple M1", 8, 68.25),
        ("Apple M1 Pro", None, 200),
        ("Apple M2 Ultra", 76, 800),
        ("Apple M3 Pro", 18, 150),
        ("Apple M4 Pro", 20, 273),
        # Sold with two bandwidths: the number of GPU cores decides.
        ("Apple M3 Max", 30, 300),
        ("Apple M3 Max", 40, 400),
        ("Apple M5", 10, 153.6),
        ("Apple M5 Pro", 20, 307),
        ("Apple M5 Max", 32, 460),
        ("Apple M5 Max", 40, 614),
        ("Apple M3 Max", None, None),
        ("Apple A18 Pro", 5, 60),
        ("Apple M0", 8, None),
    ],
)
def test_a_chip_of_two_bandwidths_is_told_by_its_cores(
    name: str, gpu_cores: int | None, gigabytes_per_s: float | None
) -> None:
    fact = bandwidth_of_apple_chip(name, gpu_cores)
    assert fact.value == (None if gigabytes_per_s is None else gigabytes_per_s * 1e9)


def test_no_chip_has_a_row_for_any_cores_and_one_for_some() -> None:
    for_any = {name for name, cores in APPLE_CHIPS if cores is None}
    for_some = {name for name, cores in APPLE_CHIPS if cores is not None}
    assert for_any & for_some == set()
    assert for_some == {"Apple M3 Max", "Apple M4 Max", "Apple M5 Max"}


def test_nvidia_smi_is_helped_out_by_the_name() -> None:
    [gpu] = parse_nvidia_smi(text("nvidia-smi-rtx-4090.csv"), 64 << 30)
    assert gpu.memory_bandwidth.value == 1008e9
    [unified] = parse_nvidia_smi(text("nvidia-smi-gb10.csv"), 128 << 30)
    assert unified.memory_bandwidth.value is None
    assert "nvidia-ml-py" in unified.memory_bandwidth.source


@pytest.mark.parametrize("profile", profile_names())
def test_the_bundled_profiles_agree_with_the_tables(profile: str) -> None:
    for gpu in load_profile(profile).gpus:
        name = gpu.name.value or ""
        said = bandwidth_of_card(name, "").value
        if name.startswith("Apple"):
            said = bandwidth_of_apple_chip(name, gpu.cores.value).value
        assert said is None or said == gpu.memory_bandwidth.value

"""A card's bandwidth by its name, where no driver says it: only names that mean one card."""

from __future__ import annotations

import pytest

from localai.hardware.nvidia import parse_nvidia_smi
from localai.hardware.profiles import load_profile, profile_names
from localai.hardware.specified_bandwidth import bandwidth_of_apple_chip, bandwidth_of_card
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

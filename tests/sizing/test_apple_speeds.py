"""What is predicted for Apple's chips holds what people measured on them, each within its range.

Published rates: XiongjieDai's GPU-Benchmarks-on-LLM-Inference (May 2024), llmfit's community
results (2026-07 and 08), itsmostafa, normiebench, mlx-lm's and Rapid-MLX's issues, geerlingguy.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from localai.formats import FileFormat
from localai.hardware.facts import Fact, Machine
from localai.hardware.profiles import load_profile
from localai.hardware.specified_bandwidth import bandwidth_of_apple_chip
from localai.recommend.catalogue import catalogue
from localai.sizing.speed import DecodeWork, predict_speed

# Bits per weight of a 4-bit build with a scale and a bias for each 64 weights.
MLX_BITS = 4.5


def mac(chip: str, cores: int | None) -> Machine:
    found = load_profile("m3-max-64gb")
    bandwidth = bandwidth_of_apple_chip(chip, cores)
    assert bandwidth.value is not None
    gpu = replace(
        found.gpus[0],
        name=Fact(chip, "test"),
        memory_bandwidth=bandwidth,
        memory_total_bytes=Fact(96 << 30, "test"),
    )
    return replace(found, gpus=(gpu,))


def work_of(name: str, stored: FileFormat) -> DecodeWork:
    entry = next(each for each in catalogue().entries if each.name == name)
    work = entry.work(entry.files[0], 2048)
    assert work is not None
    if stored == "gguf":
        return work
    weights, active = (
        round(count * MLX_BITS / 8) for count in (entry.parameters, entry.active_parameters)
    )
    return replace(work, weights_bytes=weights, active_bytes=active, stored="mlx")


@pytest.mark.parametrize(
    ("chip", "cores", "name", "stored", "really"),
    [
        ("Apple M1", 7, "llama3.1:8b", "gguf", 9.7),
        ("Apple M1 Pro", 16, "qwen2.5-coder:7b", "gguf", 26.9),
        ("Apple M1 Pro", 16, "qwen2.5-coder:7b", "mlx", 39.0),
        ("Apple M1 Max", 32, "llama3.1:8b", "gguf", 34.5),
        ("Apple M1 Max", 32, "llama3.1:8b", "gguf", 46.2),
        ("Apple M1 Max", 32, "qwen3.6:27b", "gguf", 9.74),
        ("Apple M2 Ultra", 76, "llama3.1:8b", "gguf", 76.3),
        ("Apple M2 Ultra", 76, "llama3.3:70b", "gguf", 12.1),
        ("Apple M3 Pro", 18, "qwen3:8b", "gguf", 24.6),
        ("Apple M3 Pro", 18, "qwen3.5:9b", "gguf", 21.9),
        ("Apple M3 Pro", 18, "qwen3:4b", "mlx", 44.6),
        ("Apple M3 Max", 40, "llama3.1:8b", "gguf", 50.7),
        ("Apple M3 Max", 40, "llama3.3:70b", "gguf", 7.5),
        ("Apple M3 Ultra", 80, "qwen3:8b", "mlx", 112.9),
        ("Apple M4", 10, "llama3.1:8b", "gguf", 20.9),
        ("Apple M4", 10, "llama3.2:3b", "gguf", 41.0),
        ("Apple M4 Pro", 20, "qwen3:8b", "gguf", 46.2),
        ("Apple M4 Pro", 20, "qwen3:8b", "mlx", 49.4),
        ("Apple M4 Pro", 20, "qwen3:30b", "gguf", 70.6),
        ("Apple M4 Pro", 20, "qwen3:30b", "mlx", 70.4),
        ("Apple M4 Pro", 20, "gpt-oss:20b", "gguf", 66.5),
        ("Apple M4 Pro", 20, "gemma3:27b", "gguf", 13.2),
        ("Apple M4 Max", 40, "qwen3:4b", "mlx", 134.5),
        ("Apple M4 Max", 40, "qwen3:30b", "mlx", 113.3),
        ("Apple M4 Max", 40, "qwen2.5-coder:7b", "gguf", 72.5),
        ("Apple M4 Max", 40, "qwen2.5-coder:7b", "mlx", 101.9),
        ("Apple M5 Pro", 20, "qwen3.6:27b", "mlx", 16.2),
        ("Apple M5 Pro", 20, "qwen3.6:35b", "mlx", 80.2),
        ("Apple M5 Max", 40, "llama3.1:8b", "gguf", 89.3),
        ("Apple M5 Max", 40, "llama3.2:3b", "gguf", 161.8),
        ("Apple M5 Max", 40, "gpt-oss:20b", "gguf", 101.4),
    ],
)
def test_what_people_measured_lies_in_the_predicted_range(
    chip: str, cores: int, name: str, stored: FileFormat, really: float
) -> None:
    speed = predict_speed(mac(chip, cores), work_of(name, stored), depth_tokens=150)
    assert speed.low is not None and speed.high is not None
    assert speed.low <= really <= speed.high, (speed.low, speed.expected, speed.high)
    # A range that holds everything says nothing.
    assert speed.high <= 2.2 * speed.low

"""Predicted speeds are held against what real machines did, and give way to this one's own runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from localai.database import Database
from localai.events import Locality, Timings, Usage
from localai.formats.gguf import read_header
from localai.hardware.facts import Fact, Machine
from localai.hardware.profiles import load_profile
from localai.paths import locate
from localai.recommend.catalogue import catalogue
from localai.sizing.memory import MemoryNeed
from localai.sizing.past_runs import past_runs
from localai.sizing.speed import DecodeWork, PastRun, SpeedRange, decode_work, predict_speed
from localai.types import ResolvedModel, Zone
from tests.formats.synthetic import MODELS, write

GB = 10**9

# Llama 3 8B: 4.58 and 14.96 GiB, of which the input embedding (128,256 x 4,096) is not read.
# Context: 32 layers, 8 heads of 128, keys and values, two bytes each.
LLAMA3_Q4 = DecodeWork(4_920_000_000, 4_620_000_000, 8192 * 131_072, 8192, 300 << 20, 32, 128_256)
LLAMA3_F16 = DecodeWork(
    16_060_000_000, 15_010_000_000, 8192 * 131_072, 8192, 300 << 20, 32, 128_256
)


def machine(
    profile: str, *, gpu_bandwidth: float | None = None, gpu_memory: int | None = None
) -> Machine:
    found = load_profile(profile)
    gpu = found.gpus[0]
    if gpu_bandwidth is not None:
        gpu = replace(gpu, memory_bandwidth=Fact(gpu_bandwidth, "the maker"))
    if gpu_memory is not None:
        gpu = replace(gpu, memory_total_bytes=Fact(gpu_memory, "the maker"))
    return replace(found, gpus=(gpu,))


def cpu_only(bandwidth: float, cores: int, sets: tuple[str, ...]) -> Machine:
    found = load_profile("laptop-16gb")
    return replace(
        found,
        gpus=(),
        cpu=replace(
            found.cpu,
            physical_cores=Fact(cores, "test"),
            performance_cores=Fact.unknown("all cores are of one kind"),
            usable_cores=Fact(float(cores), "test"),
            instruction_sets=Fact(sets, "test"),
        ),
        memory_bandwidth=Fact(bandwidth, "test", "measured"),
    )


def likeliest(speed: SpeedRange) -> float:
    assert speed.low is not None and speed.expected is not None and speed.high is not None
    assert 0 < speed.low < speed.expected < speed.high
    return speed.expected


# Tokens a second of llama-bench, https://github.com/XiongjieDai/GPU-Benchmarks-on-LLM-Inference
# (May 2024, tg 512), with the makers' bandwidths. Left out, being 26% slower than predicted: an
# M2 Ultra in Q4_K_M, for which Metal's kernels were slower then.
@pytest.mark.parametrize(
    ("profile", "bandwidth", "work", "really"),
    [
        ("rtx-4090", 1008 * GB, LLAMA3_Q4, 130.58),
        ("rtx-4090", 1008 * GB, LLAMA3_F16, 54.84),
        ("rtx-4090", 936 * GB, LLAMA3_Q4, 115.42),
        ("rtx-4090", 936 * GB, LLAMA3_F16, 47.40),
        ("rtx-4090", 717 * GB, LLAMA3_Q4, 108.15),
        ("rtx-4090", 504 * GB, LLAMA3_Q4, 83.50),
        ("rtx-4090", 448 * GB, LLAMA3_Q4, 72.79),
        ("m3-max-64gb", 400 * GB, LLAMA3_Q4, 48.97),
        ("m3-max-64gb", 400 * GB, LLAMA3_F16, 22.04),
        ("m3-max-64gb", 800 * GB, LLAMA3_F16, 36.90),
    ],
)
def test_a_gpu_is_predicted_within_a_quarter_of_what_others_measured_in_2024(
    profile: str, bandwidth: float, work: DecodeWork, really: float
) -> None:
    speed = predict_speed(machine(profile, gpu_bandwidth=bandwidth), work, depth_tokens=256)
    assert likeliest(speed) == pytest.approx(really, rel=0.25)


# By `localai bench -p 512 -n 128`, benchmarks/README.md: llamas of 8B with a vocabulary of 128,256,
# and SmolLM2.
@pytest.mark.parametrize(
    ("weights", "active", "layers", "vocabulary", "really"),
    [
        (4_913_000_000, 4_617_000_000, 32, 128_256, 212),
        (8_533_000_000, 7_974_000_000, 32, 128_256, 192),
        (98_000_000, 98_000_000, 30, 49_152, 653),
    ],
)
def test_an_h100_is_predicted_within_its_own_range(
    weights: int, active: int, layers: int, vocabulary: int, really: float
) -> None:
    found = machine("rtx-4090", gpu_bandwidth=3352 * GB, gpu_memory=80 << 30)
    card = replace(found.gpus[0], name=Fact("NVIDIA H100 80GB HBM3", "NVML"))
    work = DecodeWork(weights, active, 4096 * 131_072, 4096, 300 << 20, layers, vocabulary)
    speed = predict_speed(replace(found, gpus=(card,)), work, depth_tokens=576)
    assert speed.low is not None and speed.high is not None
    assert speed.low < really < speed.high


# Tokens a second of llama.cpp in July and August 2026, https://github.com/AlexsJones/llmfit,
# llmfit-core/data/community; Q4_K_M as the hub has it, gpt-oss in MXFP4.
@pytest.mark.parametrize(
    ("card", "name", "really"),
    [
        ("RTX 5070", "llama3.1:8b", 105.32),
        ("RTX 5070", "qwen3:14b", 59.01),
        ("RTX 5070", "llama3.2:3b", 204.79),
        ("RTX 2080", "llama3.1:8b", 71.87),
        ("RTX 2080", "llama3.2:3b", 140.33),
        ("RX 7900 XT", "llama3.1:8b", 114.33),
        ("RX 7900 XT", "qwen3:30b", 151.77),
        ("RX 7900 XT", "gpt-oss:20b", 162.61),
        ("RX 7900 XT", "gemma3:27b", 32.65),
        ("M4 Pro", "llama3.1:8b", 47.25),
        ("M4 Pro", "qwen3:30b", 70.55),
        ("M4 Pro", "gpt-oss:20b", 66.51),
        ("M4 Pro", "gemma3:27b", 13.24),
        ("GTX 1050 Ti", "llama3.2:3b", 20.76),
    ],
)
def test_a_gpu_is_predicted_within_a_quarter_of_what_others_measured_in_2026(
    card: str, name: str, really: float
) -> None:
    profile, bandwidth, memory = {
        "RTX 5070": ("rtx-4090", 672 * GB, 12 << 30),
        "RTX 2080": ("rtx-4090", 448 * GB, 8 << 30),
        "RX 7900 XT": ("rtx-4090", 800 * GB, 20 << 30),
        "M4 Pro": ("m3-max-64gb", 273 * GB, 48 << 30),
        "GTX 1050 Ti": ("rtx-4090", 112 * GB, 4 << 30),
    }[card]
    there = machine(profile, gpu_bandwidth=bandwidth, gpu_memory=memory)
    gpu = there.gpus[0]
    if card.startswith("RX"):
        gpu = replace(gpu, usable_by=Fact(("ROCm", "Vulkan"), "test"))
    if card.startswith("GTX"):
        gpu = replace(gpu, compute_capability=Fact("6.1", "test"))
    entry = next(entry for entry in catalogue().entries if entry.name == name)
    work = entry.work(entry.files[0], 2048)
    assert work is not None
    speed = predict_speed(replace(there, gpus=(gpu,)), work, depth_tokens=150)
    assert likeliest(speed) == pytest.approx(really, rel=0.25)


# Measured for this with xllamacpp 2026.10 on an AMD EPYC (Zen 5) with two cores, which read
# 87 GB/s: bytes that a token reads, layers, vocabulary, tokens a second.
@pytest.mark.parametrize(
    ("active_bytes", "layers", "vocabulary", "really"),
    [
        (97_000_000, 30, 49_152, 157.5),  # SmolLM2 135M Q4_1, localai chat
        (247_000_000, 18, 262_144, 83.5),  # Gemma 3 270M Q4_K_M, localai chat
        (247_000_000, 24, 49_152, 119.0),  # llama-shaped, Q4_K
        (762_000_000, 24, 49_152, 49.3),  # llama-shaped, Q4_K
        (441_000_000, 24, 49_152, 74.7),  # llama-shaped, Q8_0
        (831_000_000, 24, 49_152, 57.7),  # llama-shaped, F16
        (234_000_000, 24, 49_152, 122.1),  # llama-shaped, Q4_0
    ],
)
def test_a_cpu_is_predicted_within_a_quarter_of_what_it_did(
    active_bytes: int, layers: int, vocabulary: int, really: float
) -> None:
    here = cpu_only(87e9, 2, ("AVX2", "AVX-512"))
    work = DecodeWork(active_bytes, active_bytes, 100_000_000, 4096, 0, layers, vocabulary)
    assert likeliest(predict_speed(here, work)) == pytest.approx(really, rel=0.25)


def test_of_a_mixture_of_experts_only_those_in_use_count(tmp_path: Path) -> None:
    path = tmp_path / "moe.gguf"
    write(path, MODELS["qwen3moe"])
    header = read_header(path)
    need = MemoryNeed(header.tensor_bytes, 0, 0, header.tensor_bytes, 4096, "formula")
    work = decode_work(header, need)
    experts = sum(tensor.size_bytes for tensor in header.tensors if "_exps" in tensor.name)
    assert work.weights_bytes - work.active_bytes >= experts * 6 // 8
    here = cpu_only(50e9, 8, ("AVX2",))
    dense = replace(work, active_bytes=work.weights_bytes)
    assert likeliest(predict_speed(here, work)) > likeliest(predict_speed(here, dense))


def test_a_long_context_slows_down() -> None:
    here = machine("rtx-4090")
    # llama-bench, tg 8192 (half of it on average): 110.66.
    speed = likeliest(predict_speed(here, LLAMA3_Q4, depth_tokens=4096))
    assert speed == pytest.approx(110.66, rel=0.25)
    assert speed < likeliest(predict_speed(here, LLAMA3_Q4))


def test_what_does_not_fit_the_gpu_is_shared_with_the_cpu() -> None:
    whole = predict_speed(machine("rtx-4090"), LLAMA3_F16)
    shared = predict_speed(machine("rtx-4090", gpu_memory=12 << 30), LLAMA3_F16)
    without = predict_speed(machine("rtx-4090"), LLAMA3_F16, use_gpu=False)
    assert likeliest(without) < likeliest(shared) < likeliest(whole)
    assert "% on CPU" in shared.basis and "% on NVIDIA" in shared.basis
    assert shared.high is not None and whole.high is not None
    assert shared.high / likeliest(shared) > whole.high / likeliest(whole)


def test_memory_that_cpu_and_gpu_share_is_counted_once() -> None:
    ten_gb = replace(LLAMA3_Q4, weights_bytes=10 * GB)
    speed = predict_speed(load_profile("m2-8gb"), ten_gb)
    assert speed.expected is None and speed.confidence is None
    assert "does not fit" in speed.basis


def test_the_context_and_the_work_space_must_fit_too() -> None:
    here = load_profile("laptop-16gb")
    assert predict_speed(here, replace(LLAMA3_Q4, context_bytes=GB)).expected is not None
    for wants_more in (
        replace(LLAMA3_Q4, context_bytes=40 * GB),
        replace(LLAMA3_Q4, compute_bytes=40 * GB),
    ):
        speed = predict_speed(here, wants_more)
        assert speed.expected is None
        assert "does not fit" in speed.basis


def test_without_a_bandwidth_nothing_is_claimed() -> None:
    here = cpu_only(1.0, 8, ("AVX2",))
    here = replace(here, memory_bandwidth=Fact.unknown("not measured yet"))
    speed = predict_speed(here, LLAMA3_Q4)
    assert speed.expected is None and "not measured" in speed.basis
    ran = predict_speed(here, LLAMA3_Q4, past_runs=[PastRun(8.0)])
    assert likeliest(ran) == 8.0


def test_one_run_here_brings_the_prediction_within_a_tenth() -> None:
    here = cpu_only(87e9, 2, ("AVX2", "AVX-512"))
    work = DecodeWork(97 * 10**6, 97 * 10**6, 189 * 10**6, 8192, 0, 30, 49_152)
    speed = predict_speed(
        here, work, past_runs=[PastRun(120.0, depth_tokens=100)], depth_tokens=100
    )
    assert likeliest(speed) == pytest.approx(120.0)
    assert speed.confidence == "measured" and "run" in speed.basis
    assert speed.low == pytest.approx(120 / 1.1) and speed.high == pytest.approx(120 * 1.1)


def test_runs_on_the_cpu_say_nothing_of_the_card_that_computes_since() -> None:
    on_cpu = [PastRun(9.0)] * 5
    speed = predict_speed(machine("rtx-4090"), LLAMA3_Q4, past_runs=[PastRun(125.0), *on_cpu])
    assert likeliest(speed) == pytest.approx(125.0)
    back = predict_speed(
        machine("rtx-4090"),
        LLAMA3_Q4,
        past_runs=[PastRun(6.0), *[PastRun(125.0)] * 5],
        use_gpu=False,
    )
    assert likeliest(back) == pytest.approx(6.0)


def test_a_run_while_the_machine_was_busy_does_not_spoil_it() -> None:
    here = cpu_only(87e9, 2, ("AVX2", "AVX-512"))
    work = DecodeWork(97 * 10**6, 97 * 10**6, 189 * 10**6, 8192, 0, 30, 49_152)
    runs = [PastRun(rate) for rate in (157.5, 2.2, 161.0, 155.9)]
    assert likeliest(predict_speed(here, work, past_runs=runs)) == pytest.approx(157.5, rel=0.05)


def test_where_all_runs_were_slow_the_range_stays_open_upwards() -> None:
    here = cpu_only(87e9, 2, ("AVX2", "AVX-512"))
    work = DecodeWork(97 * 10**6, 97 * 10**6, 189 * 10**6, 8192, 0, 30, 49_152)
    before = likeliest(predict_speed(here, work))
    speed = predict_speed(here, work, past_runs=[PastRun(22.0), PastRun(20.0)])
    assert speed.expected == pytest.approx(22.0) and speed.high == pytest.approx(before)
    assert "busy" in speed.basis


def test_runs_are_remembered_by_model_and_file(localai_home: Path, tmp_path: Path) -> None:
    paths = locate()
    model = ResolvedModel("llamacpp", "small", Zone.DEVICE, "test", path=tmp_path / "small.gguf")
    assert past_runs(paths, model) == ()
    database = Database(paths.database)

    def ran(rate: float, tokens: int, *, command: str = "chat", zone: Zone = Zone.DEVICE) -> None:
        database.record_usage(
            command=command,
            provider="llamacpp",
            model="small",
            usage=Usage(input_tokens=40, output_tokens=tokens),
            timings=Timings(decode_tokens=tokens, decode_s=tokens / rate),
            locality=Locality(zone, "test"),
        )

    ran(100.0, 60)
    ran(120.0, 60)
    ran(999.0, 3)  # too short to say anything
    ran(20.0, 60, command="batch")  # shared the engine with others
    ran(900.0, 60, zone=Zone.CLOUD)
    database.close()
    assert past_runs(paths, model) == (PastRun(120.0, 70), PastRun(100.0, 70))
    (tmp_path / "small.gguf").write_bytes(b"another model under the same name")
    assert past_runs(paths, model) == ()

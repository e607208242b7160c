"""The devices of a machine that can hold a model's weights, and how fast each decodes.

The constants are taken from real machines. Reads no file and measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from localai.dataclass import dataclass
from localai.formats import FileFormat
from localai.hardware.facts import Confidence, Gpu, Machine, disturbance
from localai.units import bandwidth_text, whole_number

# llama.cpp's automatic fitting leaves this much of each device's memory free.
_MARGIN_BYTES: Final = 1 << 30
# Unknown memory counts as unlimited.
_UNKNOWN_ROOM: Final = 1 << 60

DeviceKind = Literal["cpu", "nvidia", "apple", "amd"]


@dataclass(frozen=True, slots=True)
class Kind:
    """How much of its bandwidth a kind of device reaches, and the fixed cost of a token.

    `context_share` is the rate of reading keys and values, as a share of the weights' rate.
    `spread` is the factor by which real machines of the kind differ from it.
    """

    efficiency: float
    context_share: float
    layer_s: float
    entry_s: float
    spread: float


# cpu: AMD EPYC (Zen 5) with two cores, xllamacpp 2026.10: SmolLM2 135M Q4_1 at 157 tok/s, Gemma 3
#   270M at 84, and llama-shaped files of 0.24 to 0.83 GB in Q4_0, Q4_K, Q8_0 and F16 at 49 to 122;
#   all within 13% but F16 (20%). Attention is bound by the cores, see below.
# The others are fitted to what people measured with llama.cpp, [1] Llama 3 8B in Q4_K_M and F16
#   (May 2024), [2] models of 1 to 32B in Q4_K_M that fit the GPU (July, August 2026):
# nvidia: RTX 3070 to 4090 of [1], RTX 2070 to 5070 of [2]: all 35 within 22%, 31 within 10%.
# apple: M2 Ultra and M3 Max of [1], M4 Pro and M5 Max of [2]: 18 of 19 within 25%.
# amd: a Radeon RX 7900 XT of [2]: all 18 within 11%. One card only.
# [1] https://github.com/XiongjieDai/GPU-Benchmarks-on-LLM-Inference
# [2] https://github.com/AlexsJones/llmfit, llmfit-core/data/community
KINDS: Final[Mapping[DeviceKind, Kind]] = {
    "cpu": Kind(0.8, 1.0, 115e-6, 15e-9, 1.25),
    "nvidia": Kind(0.88, 0.35, 55e-6, 2e-9, 1.2),
    "apple": Kind(0.9, 0.15, 100e-6, 1e-9, 1.25),
    "amd": Kind(0.9, 0.2, 40e-6, 7e-9, 1.25),
}
# Chips and cards that llama.cpp's kernels suit less than others of their kind, against the kind's
# efficiency, and how far apart what was measured lies. MLX reaches the kind's own on them. M1 Max:
# Llama 3 8B at 34.5 (May 2024, [1]) and 46.2 tok/s, Qwen 3.6 27B at 9.7 ([2]); M1: 8B at 9.7; M1
# Pro: Qwen 2.5 7B at 26.9 (MLX 39.0); M2 Ultra, two dies: 8B at 76.3, 70B at 12.1 ([1]). H100
# (SXM), whose memory is faster than the kernels: a llama of 8B in Q4_K_M at 212 tok/s and in Q8_0
# at 192, SmolLM2 at 653 (benchmarks/README.md).
_LLAMACPP_ON: Final[Mapping[str, tuple[float, float]]] = {
    "Apple M1": (0.85, 1.25),
    "Apple M1 Pro": (0.62, 1.4),
    "Apple M1 Max": (0.62, 1.4),
    "Apple M1 Ultra": (0.5, 1.4),
    "Apple M2 Ultra": (0.75, 1.25),
    "Apple M3 Ultra": (0.75, 1.25),
    "NVIDIA H100 80GB HBM3": (0.71, 1.25),
}
# Older CUDA GPUs reach half the rate, because their integer arithmetic is slow ([2] has one, a GTX
# 1050 Ti).
_FAST_CAPABILITY: Final = (7, 0)
_OLD_GPU: Final = 0.5
# Upper limit in bytes per second and core, for weights, however fast the memory is. The first is
# the EPYC above. NEON: an M2 Pro's CPU reads 78 GB/s of Q4_0 with eight cores (XiongjieDai's issue
# 1). AVX2: a 13900K reads 69 GB/s with eight (llama.cpp's issue 34).
_CORE_BYTES_PER_S: Final = {"AVX-512": 22e9, "AVX2": 10e9, "NEON": 10e9}
_SLOW_CORE_BYTES_PER_S: Final = 4e9
# Upper limit in bytes per second and core, for keys and values: SmolLM2 on the EPYC at a depth of
# 2,000 and 4,000 tokens, while other programs took half of the CPU.
_CORE_CONTEXT_BYTES_PER_S: Final = 4e9


@dataclass(frozen=True, slots=True)
class DecodeDevice:
    """A device that can hold weights. `bytes_per_s`: the rate at which weights are read. `in_main`:
    the memory is main memory."""

    name: str
    kind: DeviceKind
    bytes_per_s: float
    context_bytes_per_s: float
    room_bytes: int
    in_main: bool
    confidence: Confidence
    basis: str
    spread: float


def decode_devices(
    machine: Machine, *, use_gpu: bool, stored: FileFormat = "gguf"
) -> list[DecodeDevice] | str:
    """The devices that can hold a model that is `stored` in that format, the fastest first and the
    CPU last; or why they are unknown."""
    gpus = []
    for gpu in machine.gpus if use_gpu else ():
        kind = gpu_kind(gpu)
        if kind is None:
            continue
        bandwidth = gpu.memory_bandwidth
        if bandwidth.value is None and gpu.unified.value:
            bandwidth = machine.memory_bandwidth
        if bandwidth.value is None:
            return f"the memory bandwidth of {gpu.name.value} is not known"
        name = gpu.name.value or "GPU"
        old = kind == "nvidia" and _capability(gpu) < _FAST_CAPABILITY
        share, spread = 1.0, KINDS[kind].spread
        if stored == "gguf":
            share, spread = _LLAMACPP_ON.get(name, (share, spread))
        rate = bandwidth.value * KINDS[kind].efficiency * share * (_OLD_GPU if old else 1.0)
        gpus.append(
            DecodeDevice(
                name,
                kind,
                rate,
                rate * KINDS[kind].context_share,
                gpu_memory_for_models(gpu),
                bool(gpu.unified.value),
                "assumed" if old else bandwidth.confidence or "assumed",
                f"{bandwidth_text(bandwidth.value)} of {name}",
                spread,
            )
        )
    gpus.sort(key=lambda device: -device.bytes_per_s)
    cpu = _cpu(machine)
    if cpu is None:
        return gpus or "memory bandwidth is not measured yet"
    return [*gpus, cpu]


def _cpu(machine: Machine) -> DecodeDevice | None:
    bandwidth = machine.memory_bandwidth
    if bandwidth.value is None:
        return None
    cpu = machine.cpu
    cores = float(cpu.performance_cores.value or cpu.physical_cores.value or 1)
    if cpu.usable_cores.value:
        cores = min(cores, cpu.usable_cores.value)
    sets = cpu.instruction_sets.value or ()
    core = next(
        (rate for name, rate in _CORE_BYTES_PER_S.items() if name in sets), _SLOW_CORE_BYTES_PER_S
    )
    by_memory = bandwidth.value * KINDS["cpu"].efficiency
    by_cores = cores * core
    how = f"{bandwidth.confidence or 'assumed'} {disturbance(bandwidth.source)}".strip()
    basis = f"{bandwidth_text(bandwidth.value)} of memory, {how}"
    if by_cores < by_memory:
        basis = f"what {cores:g} CPU cores compute; memory could do more ({basis})"
    return DecodeDevice(
        "CPU",
        "cpu",
        min(by_memory, by_cores),
        min(by_memory, cores * _CORE_CONTEXT_BYTES_PER_S),
        machine.memory.limit_bytes.value or machine.memory.total_bytes.value or _UNKNOWN_ROOM,
        True,
        bandwidth.confidence or "assumed",
        basis,
        KINDS["cpu"].spread,
    )


def _capability(gpu: Gpu) -> tuple[int, int]:
    """CUDA's compute capability; assumes a recent one if unknown."""
    parts = (gpu.compute_capability.value or "").partition(".")
    major, minor = whole_number(parts[0]), whole_number(parts[2])
    return _FAST_CAPABILITY if major is None or minor is None else (major, minor)


def gpu_kind(gpu: Gpu) -> DeviceKind | None:
    """The kind of device that the GPU is to an engine; None if no engine here computes on it."""
    for interface in gpu.usable_by.value or ():
        if interface.startswith("CUDA"):
            return "nvidia"
        if interface == "Metal":
            return "apple"
        if interface == "ROCm":
            return "amd"
    return None


def gpu_memory_for_models(gpu: Gpu) -> int:
    """The bytes of memory that a model may take on the GPU."""
    memory = gpu.memory_total_bytes.value or 0
    if gpu.unified.value:
        memory = max(memory, gpu.shared_memory_bytes.value or 0)
    return max(0, memory - _MARGIN_BYTES)

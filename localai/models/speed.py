"""How fast a model will answer on a machine: decoded tokens a second, as a range with its basis.

The time that one token takes on a device is

    active bytes / (bandwidth * efficiency)     the weights that it reads: of a mixture of experts
                                                those in use, of a lookup table nothing
    + context bytes / context rate              keys and values of what was said before; attention
                                                moves them more slowly than weights, on a CPU by
                                                what its cores can compute
    + layers * time of a layer + vocabulary * time of an entry
                                                what does not depend on the size: starting the
                                                layer's steps, and choosing a token

and where a model is spread over devices, each takes its part in turn. The constants are read off
real machines, see `_KINDS`. What is lost to other programs, heat or a battery is not in it. A run
of the same model on this machine is worth more than all of that: it corrects the result
(`OwnRun`).

Owns the arithmetic. Reads no file and measures nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final, Literal

from localai.hardware.facts import Confidence, Gpu, Machine

if TYPE_CHECKING:
    from localai.models.gguf import GgufHeader
    from localai.models.memory import MemoryNeed

# llama.cpp's own fit leaves so much of each device's memory free.
_MARGIN_BYTES: Final = 1 << 30
_TYPICAL_LAYERS: Final = 32
_TYPICAL_VOCABULARY: Final = 100_000

DeviceKind = Literal["cpu", "nvidia", "apple", "amd"]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a kind of device makes of its bandwidth, and what a token costs there besides.

    `context_share` is the rate of reading keys and values as a share of the weights' rate;
    `spread` is by which factor real machines of the kind lie above or below.
    """

    efficiency: float
    context_share: float
    layer_s: float
    entry_s: float
    spread: float


# cpu: AMD EPYC (Zen 5) with two cores, xllamacpp 2026.10: SmolLM2 135M Q4_1 at 157 tok/s, Gemma 3
#   270M at 84, and llama-shaped files of 0.24 to 0.83 GB in Q4_0, Q4_K, Q8_0 and F16 at 49 to 122;
#   all within 13% but F16 (20%). Attention is bound by the cores, see below.
# nvidia, apple: https://github.com/XiongjieDai/GPU-Benchmarks-on-LLM-Inference (May 2024), Llama 3
#   8B in Q4_K_M and F16 on RTX 3070, 3080, 3090, 4070 Ti, 4080 and 4090 (within 15%), and on
#   M1 Max, M2 Ultra and M3 Max (within 15%; the M1 Max is a third slower).
# amd: a Radeon RX 7900 XT (800 GB/s) in https://github.com/AlexsJones/llmfit, community results of
#   July 2026: Llama 3.2 1B and 3B in Q4_K_M at 376 and 200 tok/s, within 15%. One card only.
_KINDS: Final[Mapping[DeviceKind, _Kind]] = {
    "cpu": _Kind(0.8, 1.0, 115e-6, 15e-9, 1.25),
    "nvidia": _Kind(0.92, 0.35, 65e-6, 8e-9, 1.2),
    "apple": _Kind(0.9, 0.15, 200e-6, 8e-9, 1.25),
    "amd": _Kind(0.75, 0.2, 45e-6, 8e-9, 1.5),
}
# A core streams no more than this through llama.cpp's kernels, however fast the memory is. The
# first is the EPYC above. NEON: an M2 Pro's CPU reads 78 GB/s of Q4_0 with eight cores
# (XiongjieDai's issue 1). AVX2: a 13900K reads 69 GB/s with eight (llama.cpp's issue 34).
_CORE_BYTES_PER_S: Final = {"AVX-512": 22e9, "AVX2": 10e9, "NEON": 10e9}
_SLOW_CORE_BYTES_PER_S: Final = 4e9
# And of keys and values no more than this: SmolLM2 on the EPYC at a depth of 2,000 and 4,000
# tokens, while half of the CPU was taken by others.
_CORE_CONTEXT_BYTES_PER_S: Final = 4e9

_OWN_SPREAD: Final = 1.1
_ASSUMED_SPREAD: Final = 1.25
_RUNS_THAT_COUNT: Final = 10


@dataclass(frozen=True, slots=True)
class DecodeWork:
    """What there is to do for one token, in bytes.

    `weights_bytes` and `compute_bytes` decide with `context_bytes`, the memory of
    `context_tokens`, where the model fits; `active_bytes` is what one token reads of the weights.
    """

    weights_bytes: int
    active_bytes: int
    context_bytes: int
    context_tokens: int
    compute_bytes: int = 0
    layers: int | None = None
    vocabulary: int | None = None

    @property
    def total_bytes(self) -> int:
        """The memory that the model takes."""
        return self.weights_bytes + self.context_bytes + self.compute_bytes


@dataclass(frozen=True, slots=True)
class OwnRun:
    """What this machine did with the model: its rate, and how many tokens came before on average.

    Answers with prompt lookup count as they are, because the next ones will have it too.
    """

    decode_tokens_per_s: float
    depth_tokens: int = 0


@dataclass(frozen=True, slots=True)
class SpeedRange:
    """Decoded tokens a second: the likeliest value and a range around it.

    `basis` says in a few words what it rests on. All three figures are None where it is unknown,
    and `basis` then says why. `confidence` is "measured" by own runs of the model, "inferred"
    from a measured or published bandwidth, "assumed" where the bandwidth or the device's
    efficiency is.
    """

    low: float | None
    expected: float | None
    high: float | None
    basis: str
    confidence: Confidence | None


@dataclass(frozen=True, slots=True)
class _Device:
    """Somewhere weights can be. `bytes_per_s` is at what rate they are really read, `in_main` says
    that the device's memory is main memory."""

    name: str
    kind: DeviceKind
    bytes_per_s: float
    context_bytes_per_s: float
    room_bytes: int
    in_main: bool
    confidence: Confidence
    basis: str

    def token_s(self, part: float, work: DecodeWork, depth_tokens: int) -> float:
        """Seconds that `part` (0 to 1) of the layers of `work` takes here."""
        depth_bytes = work.context_bytes * depth_tokens / max(1, work.context_tokens)
        moving = work.active_bytes / self.bytes_per_s + depth_bytes / self.context_bytes_per_s
        return part * (moving + (work.layers or _TYPICAL_LAYERS) * _KINDS[self.kind].layer_s)


def decode_work(header: GgufHeader, need: MemoryNeed) -> DecodeWork:
    """The work that the model of `header` is, in the memory `need` at one context."""
    return DecodeWork(
        weights_bytes=need.weights_bytes,
        active_bytes=header.active_bytes_per_token,
        context_bytes=need.context_bytes,
        context_tokens=need.context_tokens,
        compute_bytes=need.compute_bytes,
        layers=header.block_count,
        vocabulary=header.vocabulary_size,
    )


def predict_speed(
    machine: Machine,
    work: DecodeWork,
    *,
    depth_tokens: int = 0,
    own_runs: Sequence[OwnRun] = (),
    use_gpu: bool = True,
) -> SpeedRange:
    """How fast `machine` decodes `work` once `depth_tokens` are in the context.

    `own_runs` are of the same model in the same quantization on this very machine, the newest
    first; `use_gpu=False` is for an engine that sees no GPU.
    """
    devices = _devices(machine, use_gpu=use_gpu)
    if isinstance(devices, str):
        return _without_bandwidth(devices, own_runs)
    parts = _spread(devices, work)
    if parts is None:
        return SpeedRange(None, None, None, "it does not fit in this machine's memory", None)
    seconds = _token_s(parts, work, depth_tokens)
    if own_runs:
        # What runs besides can only take away: a slow run says little, so the better ones count.
        factors = sorted(
            1 / run.decode_tokens_per_s / _token_s(parts, work, run.depth_tokens)
            for run in own_runs[:_RUNS_THAT_COUNT]
        )
        factor = factors[(len(factors) - 1) // 4]
        return _around(1 / (seconds * factor), _OWN_SPREAD, _own_basis(own_runs), "measured")
    assumed = any(device.confidence == "assumed" for device, _ in parts)
    spread = max(_KINDS[device.kind].spread for device, _ in parts)
    if assumed or len(parts) > 1:
        spread *= _ASSUMED_SPREAD
    basis = "; ".join(
        device.basis if len(parts) == 1 else f"{part:.0%} on {device.name}: {device.basis}"
        for device, part in parts
    )
    return _around(1 / seconds, spread, basis, "assumed" if assumed else "inferred")


def _around(rate: float, spread: float, basis: str, confidence: Confidence) -> SpeedRange:
    return SpeedRange(rate / spread, rate, rate * spread, basis, confidence)


def _own_basis(runs: Sequence[OwnRun]) -> str:
    return "a run of it on this machine" if len(runs) == 1 else "runs of it on this machine"


def _without_bandwidth(why: str, own_runs: Sequence[OwnRun]) -> SpeedRange:
    if not own_runs:
        return SpeedRange(None, None, None, why, None)
    rates = sorted(run.decode_tokens_per_s for run in own_runs[:_RUNS_THAT_COUNT])
    rate = rates[ceil(3 * (len(rates) - 1) / 4)]
    return _around(rate, _OWN_SPREAD, _own_basis(own_runs), "measured")


def _token_s(parts: Iterable[tuple[_Device, float]], work: DecodeWork, depth_tokens: int) -> float:
    parts = list(parts)
    entry_s = max(_KINDS[device.kind].entry_s for device, _ in parts)
    choosing = (work.vocabulary or _TYPICAL_VOCABULARY) * entry_s
    return choosing + sum(device.token_s(part, work, depth_tokens) for device, part in parts)


def _spread(devices: Sequence[_Device], work: DecodeWork) -> list[tuple[_Device, float]] | None:
    """Each device's part of the model, the first ones filled first; None if it does not fit."""
    left = total = max(1, work.total_bytes)
    main = next((device.room_bytes for device in devices if device.kind == "cpu"), total)
    parts = []
    for device in devices:
        taken = min(left, device.room_bytes, main if device.in_main else left)
        if taken > 0:
            parts.append((device, taken / total))
            left -= taken
            main -= taken if device.in_main else 0
    return parts if not left else None


def _devices(machine: Machine, *, use_gpu: bool) -> list[_Device] | str:
    """Where a model may be, the fastest place first and the CPU last; or why that is unknown."""
    gpus = []
    for gpu in machine.gpus if use_gpu else ():
        kind = _gpu_kind(gpu)
        if kind is None:
            continue
        bandwidth = gpu.memory_bandwidth
        if bandwidth.value is None and gpu.unified.value:
            bandwidth = machine.memory_bandwidth
        if bandwidth.value is None:
            return f"the memory bandwidth of {gpu.name.value} is not known"
        name = gpu.name.value or "GPU"
        rate = bandwidth.value * _KINDS[kind].efficiency
        gpus.append(
            _Device(
                name,
                kind,
                rate,
                rate * _KINDS[kind].context_share,
                _gpu_room(gpu),
                bool(gpu.unified.value),
                "assumed" if kind == "amd" else bandwidth.confidence or "assumed",
                f"{bandwidth.value / 1e9:.0f} GB/s of {name}",
            )
        )
    gpus.sort(key=lambda device: -device.bytes_per_s)
    cpu = _cpu(machine)
    if cpu is None:
        return gpus or "memory bandwidth is not measured yet"
    return [*gpus, cpu]


def _cpu(machine: Machine) -> _Device | None:
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
    by_memory = bandwidth.value * _KINDS["cpu"].efficiency
    by_cores = cores * core
    basis = f"{bandwidth.value / 1e9:.0f} GB/s of memory, {bandwidth.confidence or 'assumed'}"
    if by_cores < by_memory:
        basis = f"what {cores:g} CPU cores compute; memory could do more ({basis})"
    return _Device(
        "CPU",
        "cpu",
        min(by_memory, by_cores),
        min(by_memory, cores * _CORE_CONTEXT_BYTES_PER_S),
        machine.memory.limit_bytes.value or machine.memory.total_bytes.value or 0,
        True,
        bandwidth.confidence or "assumed",
        basis,
    )


def _gpu_kind(gpu: Gpu) -> DeviceKind | None:
    """None for a GPU that no engine here computes on."""
    for interface in gpu.usable_by.value or ():
        if interface.startswith("CUDA"):
            return "nvidia"
        if interface == "Metal":
            return "apple"
        if interface == "ROCm":
            return "amd"
    return None


def _gpu_room(gpu: Gpu) -> int:
    memory = gpu.memory_total_bytes.value or 0
    if gpu.unified.value:
        memory = max(memory, gpu.shared_memory_bytes.value or 0)
    return max(0, memory - _MARGIN_BYTES)

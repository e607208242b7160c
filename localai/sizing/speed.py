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
real machines, see `localai.sizing.devices`. What is lost to other programs, heat or a
battery is not in it. A run of the same model on this machine is worth more than all of that: it
corrects the result (`PastRun`).

Owns the arithmetic. Reads no file and measures nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Final

from localai.dataclass import dataclass
from localai.formats import FileFormat
from localai.formats.mlx_weights import LAYER_NAMES, positive_integer
from localai.hardware.facts import Confidence, Machine
from localai.sizing.devices import KINDS, DecodeDevice, decode_devices

if TYPE_CHECKING:
    from localai.formats.gguf import GgufHeader
    from localai.formats.mlx_folder import MlxFolder
    from localai.sizing.memory import MemoryNeed

_TYPICAL_LAYERS: Final = 32
_TYPICAL_VOCABULARY: Final = 100_000

_PAST_SPREAD: Final = 1.1
# Experts are many small matrices, which some GPUs read less well: an M5 Max with gpt-oss 20B is at
# 0.7 of what is predicted, an M4 Pro with Qwen 3 30B-A3B at 1.16.
_LITTLE: Final = 1 / 3
_LITTLE_SPREAD: Final = 1.15
_ASSUMED_SPREAD: Final = 1.25
_RUNS_THAT_COUNT: Final = 10
# A run slower than predicted by this factor was disturbed and is ignored.
_MUCH_SLOWER: Final = 2.0


@dataclass(frozen=True, slots=True)
class DecodeWork:
    """The work of decoding one token, in bytes.

    `active_bytes` is what one token reads of the weights. `weights_bytes`, `compute_bytes` and
    `context_bytes` are the memory at `context_tokens`. Those three say where the model fits.
    `stored`: the format, by which the engine is known.
    """

    weights_bytes: int
    active_bytes: int
    context_bytes: int
    context_tokens: int
    compute_bytes: int = 0
    layers: int | None = None
    vocabulary: int | None = None
    stored: FileFormat = "gguf"

    @property
    def reads_little(self) -> bool:
        """Whether a token reads less than a third of it: a few experts, or tables by the row."""
        return self.active_bytes < _LITTLE * self.weights_bytes

    @property
    def total_bytes(self) -> int:
        """Weights, context and compute together."""
        return self.weights_bytes + self.context_bytes + self.compute_bytes


@dataclass(frozen=True, slots=True)
class PastRun:
    """One answer of the model on this machine: its rate, and the average number of tokens before
    each token.

    Answers with prompt lookup count as they are, because the next ones will have it too.
    """

    decode_tokens_per_s: float
    depth_tokens: int = 0


@dataclass(frozen=True, slots=True)
class SpeedRange:
    """Decoded tokens a second: the likeliest value and a range around it.

    `basis` says in a few words what it rests on. If the speed is unknown, all three figures are
    None and `basis` says why. `confidence` is "measured" with past runs of the model, "inferred"
    with a measured or published bandwidth, "assumed" if the bandwidth or the device's efficiency is
    assumed.
    """

    low: float | None
    expected: float | None
    high: float | None
    basis: str
    confidence: Confidence | None


def decode_work(header: GgufHeader, need: MemoryNeed) -> DecodeWork:
    """The work of decoding one token of that model, with the memory `need` at one context."""
    return DecodeWork(
        weights_bytes=need.weights_bytes,
        active_bytes=header.active_bytes_per_token,
        context_bytes=need.context_bytes,
        context_tokens=need.context_tokens,
        compute_bytes=need.compute_bytes,
        layers=header.block_count,
        vocabulary=header.vocabulary_size,
    )


def folder_work(folder: MlxFolder, need: MemoryNeed) -> DecodeWork | None:
    """The work of decoding one token of an MLX folder; None if it is not known which part of it a
    token reads."""
    if folder.active_bytes is None:
        return None
    return DecodeWork(
        weights_bytes=need.weights_bytes,
        active_bytes=folder.active_bytes,
        context_bytes=need.context_bytes,
        context_tokens=need.context_tokens,
        compute_bytes=need.compute_bytes,
        layers=positive_integer(folder.config, *LAYER_NAMES),
        vocabulary=positive_integer(folder.config, "vocab_size"),
        stored="mlx",
    )


def predict_speed(
    machine: Machine,
    work: DecodeWork,
    *,
    depth_tokens: int = 0,
    past_runs: Sequence[PastRun] = (),
    use_gpu: bool = True,
    slowdown: float = 1.0,
) -> SpeedRange:
    """How fast `machine` decodes `work` once `depth_tokens` are in the context.

    `past_runs` are runs of the same model in the same quantization on this very machine, the newest
    first. Without them, `slowdown` (from other models) corrects the prediction. `use_gpu=False`
    is for an engine that uses no GPU.
    """
    devices = decode_devices(machine, use_gpu=use_gpu, stored=work.stored)
    if isinstance(devices, str):
        return _without_bandwidth(devices, past_runs)
    parts = _spread(devices, work)
    if parts is None:
        return SpeedRange(None, None, None, "it does not fit in the machine's memory", None)
    seconds = _token_s(parts, work, depth_tokens)
    if past_runs:
        return _corrected(seconds, parts, work, past_runs)
    assumed = any(device.confidence == "assumed" for device, _ in parts)
    spread = max(device.spread for device, _ in parts)
    if work.reads_little:
        spread *= _LITTLE_SPREAD
    if assumed or len(parts) > 1:
        spread *= _ASSUMED_SPREAD
    basis = "; ".join(
        device.basis if len(parts) == 1 else f"{part:.0%} on {device.name}: {device.basis}"
        for device, part in parts
    )
    if slowdown != 1.0:
        basis = f"{basis}; corrected by what other models did here"
    rate = 1 / (seconds * slowdown)
    return _around(rate, spread, basis, "assumed" if assumed else "inferred")


def slowdown_of(
    machine: Machine, work: DecodeWork, past_runs: Sequence[PastRun], *, use_gpu: bool = True
) -> float | None:
    """How many times longer than predicted a token took, by the runs of one model. Below 1: faster
    than predicted. None if there are no runs, none is predictable, or they are implausible."""
    devices = decode_devices(machine, use_gpu=use_gpu, stored=work.stored)
    parts = None if isinstance(devices, str) else _spread(devices, work)
    if parts is None or not past_runs:
        return None
    factor = _better_runs(parts, work, past_runs)
    return factor if 1 / _MUCH_SLOWER < factor < _MUCH_SLOWER else None


def _better_runs(
    parts: Sequence[tuple[DecodeDevice, float]], work: DecodeWork, past_runs: Sequence[PastRun]
) -> float:
    """How many times longer than predicted a token took. Other programs can only slow a run down,
    so the faster runs count. Runs far from what is predicted were those of an engine on another
    device, or disturbed: they count only where there are no others."""
    factors = sorted(
        1 / run.decode_tokens_per_s / _token_s(parts, work, run.depth_tokens)
        for run in past_runs[:_RUNS_THAT_COUNT]
    )
    near = [each for each in factors if 1 / _MUCH_SLOWER < each < _MUCH_SLOWER] or factors
    return near[(len(near) - 1) // 4]


def _corrected(
    seconds: float,
    parts: Sequence[tuple[DecodeDevice, float]],
    work: DecodeWork,
    past_runs: Sequence[PastRun],
) -> SpeedRange:
    """Seconds a token at this depth, scaled from the runs by the predicted ratio."""
    factor = _better_runs(parts, work, past_runs)
    rate = 1 / (seconds * factor)
    if factor < _MUCH_SLOWER:
        return _around(rate, _PAST_SPREAD, _past_basis(past_runs), "measured")
    basis = f"{_past_basis(past_runs)}, perhaps while it was busy: {1 / seconds:.0f} were predicted"
    return SpeedRange(rate / _PAST_SPREAD, rate, 1 / seconds, basis, "measured")


def _around(rate: float, spread: float, basis: str, confidence: Confidence) -> SpeedRange:
    return SpeedRange(rate / spread, rate, rate * spread, basis, confidence)


def _past_basis(runs: Sequence[PastRun]) -> str:
    return "a run of it on this machine" if len(runs) == 1 else "runs of it on this machine"


def _without_bandwidth(why: str, past_runs: Sequence[PastRun]) -> SpeedRange:
    if not past_runs:
        return SpeedRange(None, None, None, why, None)
    rates = sorted(run.decode_tokens_per_s for run in past_runs[:_RUNS_THAT_COUNT])
    rate = rates[ceil(3 * (len(rates) - 1) / 4)]
    return _around(rate, _PAST_SPREAD, _past_basis(past_runs), "measured")


def _token_s(
    parts: Sequence[tuple[DecodeDevice, float]], work: DecodeWork, depth_tokens: int
) -> float:
    entry_s = max(KINDS[device.kind].entry_s for device, _ in parts)
    choosing = (work.vocabulary or _TYPICAL_VOCABULARY) * entry_s
    return choosing + sum(part * _whole_s(device, work, depth_tokens) for device, part in parts)


def _whole_s(device: DecodeDevice, work: DecodeWork, depth_tokens: int) -> float:
    """Seconds that `device` takes for all layers of `work`."""
    depth_bytes = work.context_bytes * depth_tokens / max(1, work.context_tokens)
    moving = work.active_bytes / device.bytes_per_s + depth_bytes / device.context_bytes_per_s
    return moving + (work.layers or _TYPICAL_LAYERS) * KINDS[device.kind].layer_s


def _spread(
    devices: Sequence[DecodeDevice], work: DecodeWork
) -> list[tuple[DecodeDevice, float]] | None:
    """Each device's part of the model, the first devices filled first; None if the model does not
    fit."""
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

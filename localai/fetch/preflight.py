"""Whether a model is worth its download: the disk and memory that it takes on a machine, and its
speed there.

The engine itself is asked, by the header alone. A model that does not fit is a problem; a model
that fits only after other programs have ended gets a remark. Decides nothing and shows nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING, Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.fetch.download import known_sha256
from localai.fetch.partial import RemoteFile, left_bytes
from localai.formats.gguf_kinds import purpose_of
from localai.formats.mlx_folder import read_folder
from localai.sizing.memory import MemoryNeed, project
from localai.sizing.speed import PastRun, SpeedRange, decode_work, folder_work, predict_speed
from localai.stores.describe import header_capabilities
from localai.units import bytes_text

if TYPE_CHECKING:
    from localai.engine.worker_files import KvType
    from localai.fetch.plan import PullPlan
    from localai.hardware.facts import Machine

_LARGER_CONTEXT: Final = 32_768
# The number of tokens in the context when speed is predicted.
DEPTH_TOKENS: Final = 1024
# A GPU that the embedded engine does not use is mentioned if it is faster by this factor.
_WORTH_SAYING: Final = 1.5


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a pull would take, in bytes; None is unknown.

    `download_bytes` is what is still to be fetched. `needs` are the memory at the context that the
    engine starts with and, if the model has a larger one, at a large one. `problems` are reasons
    not to fetch the model, a sentence each; `remarks` are what the user should know. `speed` is
    None if the model writes no text. `elsewhere`: another machine stands in.
    """

    plan: PullPlan
    download_bytes: int
    disk_free_bytes: int | None
    needs: tuple[MemoryNeed, ...]
    memory_bytes: int | None
    available_bytes: int | None
    problems: tuple[str, ...]
    remarks: tuple[str, ...]
    speed: SpeedRange | None = None
    elsewhere: bool = False


def preflight(
    plan: PullPlan,
    machine: Machine,
    *,
    context_tokens: int,
    kv_type: KvType = "f16",
    cache_folder: Path | None = None,
    past_runs: Sequence[PastRun] = (),
    elsewhere: bool = False,
    gpu_is_used: bool = False,
) -> Preflight:
    """Compare `plan` with the disk and the memory of `machine`. Takes about a second, in child
    processes of the engine, unless `cache_folder` has the results.

    `elsewhere`: `machine` stands in for this one, so nothing of the model is there yet.
    `gpu_is_used`: what answers here computes on the GPUs of `machine`, also where the bundled
    engine, which is asked for the memory, sees none.
    """
    if elsewhere:
        download, free = plan.size_bytes, machine.disk.free_bytes.value
    else:
        download = sum(map(_missing_bytes, plan.files))
        free = disk_usage(_existing(plan.store)).free
    needs = _needs(plan, context_tokens, kv_type, cache_folder)
    memory = machine.memory
    limit = memory.limit_bytes.value or memory.total_bytes.value
    available = memory.available_bytes.value
    problems = []
    if free is not None and download > free:
        problems.append(_disk_problem(plan, download, free))
    problems += [f"{each} is another model's, and would be replaced" for each in plan.replaces]
    remarks = list(plan.notes)
    speed = None
    for need in needs[:1]:
        # Where the engine that projects is not the one that computes, how that one would distribute
        # the model is not known.
        unplaced = elsewhere or (gpu_is_used and not _devices(need))
        problems += _memory_problems(
            need, _places(need, machine, limit, elsewhere=elsewhere, unplaced=unplaced)
        )
        if not unplaced:
            remarks += _memory_remarks(need, limit, available)
        speed, remark = _speed(plan, need, machine, past_runs, sees_gpu=unplaced)
        remarks += remark
    purpose = plan.purpose if plan.header is None else purpose_of(plan.header)
    if purpose is not None:
        remarks.append(f"it {purpose}: it does not chat")
    elif plan.header is not None and plan.header.chat_template is None:
        remarks.append("it has no chat template: it is a base model, which continues texts")
    return Preflight(
        plan,
        download,
        free,
        needs,
        limit,
        available,
        tuple(problems),
        tuple(remarks),
        speed,
        elsewhere,
    )


def host_bytes(need: MemoryNeed) -> int:
    """The part of `need` that is in main memory."""
    if not need.devices:
        return need.total_bytes
    return sum(share.total_bytes for share in need.devices if share.device_bytes is None)


def _needs(
    plan: PullPlan, context_tokens: int, kv_type: KvType, cache_folder: Path | None
) -> tuple[MemoryNeed, ...]:
    if plan.purpose is not None:
        # Nothing here loads it.
        return ()
    longest = plan.header.context_length if plan.header is not None else None
    contexts = [min(context_tokens, longest or context_tokens)]
    larger = min(_LARGER_CONTEXT, longest or 0)
    if larger > contexts[0]:
        contexts.append(larger)
    try:
        return tuple(
            project(
                plan.measured, each, kv_type=kv_type, cache_folder=cache_folder, digest=plan.digest
            )
            for each in contexts
        )
    except InvalidInput:
        if isinstance(plan.measured, Path):
            raise
        return ()


def _speed(
    plan: PullPlan,
    need: MemoryNeed,
    machine: Machine,
    past_runs: Sequence[PastRun],
    *,
    sees_gpu: bool,
) -> tuple[SpeedRange | None, list[str]]:
    """The speed of the embedded engine, and a remark if another engine would be faster."""
    if plan.header is not None and "completion" not in header_capabilities(plan.header):
        return None, []
    if plan.header is not None:
        work = decode_work(plan.header, need)
    else:
        assert isinstance(plan.measured, Path), "a folder of safetensors"
        in_folder = folder_work(read_folder(plan.measured), need)
        if in_folder is None:
            return None, []
        work = in_folder
    depth = min(DEPTH_TOKENS, need.context_tokens // 2)
    sees_gpu = sees_gpu or not need.devices or bool(_devices(need))
    speed = predict_speed(machine, work, depth_tokens=depth, past_runs=past_runs, use_gpu=sees_gpu)
    if sees_gpu:
        return speed, []
    other = predict_speed(machine, work, depth_tokens=depth)
    if not speed.expected or not other.expected or other.low is None or other.high is None:
        return speed, []
    if other.expected < _WORTH_SAYING * speed.expected:
        return speed, []
    rates = f"{other.low:.0f} to {other.high:.0f} tok/s"
    return speed, [
        f"the embedded engine does not use the GPU here; an engine that does would give {rates}"
    ]


def _places(
    need: MemoryNeed, machine: Machine, limit: int | None, *, elsewhere: bool, unplaced: bool
) -> list[tuple[str, int, int | None]]:
    """The places where memory is taken: name, bytes taken, bytes there. Where it is unknown how an
    engine would distribute the model, as on another machine, all memory counts as one place."""
    if unplaced:
        which = "that machine" if elsewhere else "this machine"
        return [(which, need.total_bytes, _with_gpus(machine, limit))]
    return [("this machine", host_bytes(need), limit), *_devices(need)]


def _memory_remarks(need: MemoryNeed, limit: int | None, available: int | None) -> list[str]:
    host = host_bytes(need)
    if limit is None or available is None or not available < host <= limit:
        return []
    free = bytes_text(available)
    return [f"it needs {bytes_text(host)} of memory, and {free} is free at this moment"]


def _with_gpus(machine: Machine, limit: int | None) -> int | None:
    """Main memory, and the memory of GPUs that have their own."""
    if limit is None:
        return None
    own = (gpu.memory_total_bytes.value or 0 for gpu in machine.gpus if not gpu.unified.value)
    return limit + sum(own)


def _devices(need: MemoryNeed) -> list[tuple[str, int, int | None]]:
    return [
        (share.device, share.total_bytes, share.device_bytes)
        for share in need.devices
        if share.device_bytes is not None
    ]


def _memory_problems(need: MemoryNeed, places: Sequence[tuple[str, int, int | None]]) -> list[str]:
    return [
        f"it needs {bytes_text(taken)} of memory with a context of {need.context_tokens:,} tokens, "
        f"and {place} has {bytes_text(there)}"
        for place, taken, there in places
        if there is not None and taken > there
    ]


def _disk_problem(plan: PullPlan, download: int, free: int) -> str:
    return f"{bytes_text(download)} are to be fetched, and {plan.store} has {bytes_text(free)} free"


def _missing_bytes(file: RemoteFile) -> int:
    try:
        vouched = file.sha256 or known_sha256(file)
        if vouched and file.target.stat().st_size == file.size_bytes:
            return 0
    except OSError:
        pass
    return max(0, file.size_bytes - left_bytes(file))


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())

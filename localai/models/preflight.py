"""Whether a model is worth its download: what it takes of this machine's disk and memory.

The engine itself is asked, over the header alone. What does not fit is a problem; what fits only
once other programs have left is said. Decides nothing and shows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING, Final

from localai.errors import InvalidInput
from localai.models.memory import MemoryNeed, project
from localai.models.partial import RemoteFile, left_bytes

if TYPE_CHECKING:
    from localai.hardware.facts import Memory
    from localai.models.plan import PullPlan

_LARGER_CONTEXT: Final = 32_768


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a pull would take, in bytes; None is unknown.

    `download_bytes` is what is still to come. `needs` are the memory at the context that the
    engine starts with and, where the model goes beyond, at a large one. `problems` are why it
    should not be fetched, a sentence each; `remarks` what should be known.
    """

    plan: PullPlan
    download_bytes: int
    disk_free_bytes: int
    needs: tuple[MemoryNeed, ...]
    memory_bytes: int | None
    available_bytes: int | None
    problems: tuple[str, ...]
    remarks: tuple[str, ...]


def preflight(
    plan: PullPlan, memory: Memory, *, context_tokens: int, cache_folder: Path | None = None
) -> Preflight:
    """Hold `plan` against this machine's disk and `memory`. About a second, in child processes
    of the engine; nothing where `cache_folder` remembers it."""
    download = sum(map(_missing_bytes, plan.files))
    free = disk_usage(_existing(plan.store)).free
    needs = _needs(plan, context_tokens, cache_folder)
    limit = memory.limit_bytes.value or memory.total_bytes.value
    available = memory.available_bytes.value
    problems = [_disk_problem(plan, download, free)] if download > free else []
    remarks = list(plan.notes)
    for need in needs[:1]:
        problems += _memory_problems(need, limit)
        host = host_bytes(need)
        if limit is not None and available is not None and available < host <= limit:
            remarks.append(
                f"it needs {_amount(host)} of memory, "
                f"and {_amount(available)} is free at this moment"
            )
    if plan.header is not None and plan.header.chat_template is None:
        remarks.append("it has no chat template: it is a base model, which continues texts")
    return Preflight(plan, download, free, needs, limit, available, tuple(problems), tuple(remarks))


def host_bytes(need: MemoryNeed) -> int:
    """What of `need` is in main memory."""
    if not need.devices:
        return need.total_bytes
    return sum(share.total_bytes for share in need.devices if share.device_bytes is None)


def _needs(
    plan: PullPlan, context_tokens: int, cache_folder: Path | None
) -> tuple[MemoryNeed, ...]:
    longest = plan.header.context_length if plan.header is not None else None
    contexts = [min(context_tokens, longest or context_tokens)]
    larger = min(_LARGER_CONTEXT, longest or 0)
    if larger > contexts[0]:
        contexts.append(larger)
    try:
        return tuple(
            project(plan.measured, each, cache_folder=cache_folder, digest=plan.digest)
            for each in contexts
        )
    except InvalidInput:
        if isinstance(plan.measured, Path):
            raise
        return ()


def _memory_problems(need: MemoryNeed, limit: int | None) -> list[str]:
    places = [("this machine", host_bytes(need), limit)]
    places += [
        (share.device, share.total_bytes, share.device_bytes)
        for share in need.devices
        if share.device_bytes is not None
    ]
    return [
        f"it needs {_amount(taken)} of memory with a context of {need.context_tokens:,} tokens, "
        f"and {place} has {_amount(there)}"
        for place, taken, there in places
        if there is not None and taken > there
    ]


def _disk_problem(plan: PullPlan, download: int, free: int) -> str:
    return f"{_amount(download)} are to be fetched, and {plan.store} has {_amount(free)} free"


def _missing_bytes(file: RemoteFile) -> int:
    try:
        if file.target.stat().st_size == file.size_bytes:
            return 0
    except OSError:
        pass
    return max(0, file.size_bytes - left_bytes(file))


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


def _amount(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"

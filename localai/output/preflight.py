"""The preflight of a pull: what would be fetched, where to, and what it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localai.fetch.preflight import Preflight
from localai.formats.gguf import GgufHeader
from localai.output.speed import speed_text
from localai.sizing.speed import SpeedRange
from localai.stores.describe import parameters_text
from localai.stores.starter import STARTER
from localai.units import UNKNOWN, bytes_text, count_text

if TYPE_CHECKING:
    from localai.paths import Paths


def preflight_facts(found: Preflight) -> list[tuple[str, str]]:
    """Model, source, disk, memory, speed, remarks: a name and its text for each."""
    plan = found.plan
    size = bytes_text(plan.size_bytes)
    left = f", {bytes_text(found.download_bytes)} to fetch" if plan.files else ""
    return [
        ("model", f"{plan.name}  {_described(plan.header)}".rstrip()),
        ("from", f"{plan.source}  {size}{left}"),
        ("into", f"{plan.store}  {bytes_text(found.disk_free_bytes)} free"),
        ("memory", _memory(found)),
        *([("speed", _speed(found.speed))] if found.speed is not None else []),
        *(("note", remark) for remark in found.remarks),
        *(("problem", problem) for problem in found.problems),
    ]


def starter_facts(paths: Paths) -> list[tuple[str, str]]:
    """Like `preflight_facts`, for the starter, which fits on every machine."""
    from localai.fetch.starter import starter_disk

    disk = starter_disk(paths)
    here = "  already here" if not disk.download_bytes else ""
    kind = f"{STARTER.parameters} {STARTER.quantization}"
    return [
        ("model", f"{STARTER.name}  {kind}  context {STARTER.context_tokens:,}  {STARTER.license}"),
        (
            "from",
            f"{STARTER.package} of the package index  {bytes_text(STARTER.wheel_bytes)}{here}",
        ),
        ("into", f"{paths.models_dir}  {bytes_text(disk.free_bytes)} free"),
    ]


def _described(header: GgufHeader | None) -> str:
    if header is None:
        return ""
    facts = [
        header.architecture or UNKNOWN,
        parameters_text(header.parameter_count),
        header.quantization or UNKNOWN,
        f"context {count_text(header.context_length)}",
        *([header.license] if header.license else []),
    ]
    return f"({', '.join(facts)})"


def _memory(found: Preflight) -> str:
    if not found.needs:
        return UNKNOWN
    amounts = ", ".join(
        f"{bytes_text(need.total_bytes)} at {need.context_tokens:,} tokens" for need in found.needs
    )
    basis = "the engine says so" if found.needs[0].basis == "engine" else "by a formula"
    which = "that" if found.elsewhere else "this"
    return (
        f"{amounts}; {which} machine has {bytes_text(found.memory_bytes)}, "
        f"{bytes_text(found.available_bytes)} free ({basis})"
    )


def _speed(speed: SpeedRange) -> str:
    if speed.expected is None:
        return f"{UNKNOWN}  ({speed.basis})"
    return f"{speed_text(speed)}  (from {speed.basis})"

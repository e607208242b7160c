"""The preflight as a short table: what would come, where to, and what it takes."""

from __future__ import annotations

import sys
from typing import Any

from localai.fetch.preflight import Preflight
from localai.formats.gguf import GgufHeader
from localai.output.facts import print_facts
from localai.output.speed import speed_document, speed_text
from localai.output.streams import is_terminal
from localai.output.units import UNKNOWN, bytes_text, count_text
from localai.sizing.memory import MemoryNeed
from localai.sizing.speed import SpeedRange
from localai.stores.describe import parameters_text


def print_preflight(found: Preflight) -> None:
    """Print it on stdout: wrapped between words on a terminal, a line a subject in a pipe."""
    if is_terminal(sys.stdout):
        print_facts(_rows(found))
    else:
        print("\n".join(preflight_lines(found)))


def preflight_lines(found: Preflight) -> list[str]:
    """A line a subject: model, source, disk, memory, speed, remarks."""
    return [f"{name:<8}  {text}" for name, text in _rows(found)]


def _rows(found: Preflight) -> list[tuple[str, str]]:
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


def preflight_document(found: Preflight) -> dict[str, Any]:
    """The same for programs."""
    plan = found.plan
    header = plan.header
    return {
        "model": plan.name,
        "source": plan.source,
        "store": str(plan.store),
        "size_bytes": plan.size_bytes,
        "download_bytes": found.download_bytes,
        "disk_free_bytes": found.disk_free_bytes,
        "architecture": header and header.architecture,
        "parameters": header and parameters_text(header.parameter_count),
        "quantization": header and header.quantization,
        "context_tokens": header and header.context_length,
        "license": header and header.license,
        "memory": [need_document(need) for need in found.needs],
        "memory_bytes": found.memory_bytes,
        "available_bytes": found.available_bytes,
        "speed": None if found.speed is None else speed_document(found.speed),
        "fits": not found.problems,
        "problems": list(found.problems),
        "remarks": list(found.remarks),
    }


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


def need_document(need: MemoryNeed) -> dict[str, Any]:
    """The memory of a model at a context, for programs."""
    return {
        "weights_bytes": need.weights_bytes,
        "context_bytes": need.context_bytes,
        "compute_bytes": need.compute_bytes,
        "total_bytes": need.total_bytes,
        "context_tokens": need.context_tokens,
        "basis": need.basis,
    }

"""The reference of memory bandwidth: STREAM's reading and copying, compiled from stream.c."""

from __future__ import annotations

import os
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

from localai.hardware.cpu import last_level_cache_bytes
from localai.hardware.measured_bandwidth import measure_bandwidth

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def compile_stream(folder: Path) -> Path:
    """The program, made in `folder`. Raises CalledProcessError."""
    program = folder / "stream"
    source = str(Path(__file__).with_name("stream.c"))
    options = ["-O3", "-march=native", "-ffast-math", "-pthread"]
    subprocess.run(["gcc", *options, "-o", str(program), source], check=True)
    return program


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement of ours and one of STREAM's right after it, in bytes per second."""

    read: float
    copy: float
    stream_read: float
    stream_copy: float


def measure_round(stream: Path, cores: int = CORES) -> Round:
    """Measure by localai, then by `stream`, each with half of the cores and with all."""
    ours = measure_bandwidth(cores, cache_bytes=last_level_cache_bytes())
    read = copy = 0.0
    for threads in sorted({max(1, cores // 2), cores}):
        command = [str(stream), str(threads), "128"]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        read, copy = max(read, float(output[0])), max(copy, float(output[1]))
    return Round(ours.read_bytes_per_s, ours.copy_bytes_per_s, read, copy)


def ratios(rounds: list[Round]) -> tuple[float, float]:
    """Ours over STREAM's, of reading and of copying: the median over the rounds."""
    return (
        statistics.median(each.read / each.stream_read for each in rounds),
        statistics.median(each.copy / each.stream_copy for each in rounds),
    )

"""What llama.cpp says in its log: the memory it will take, and why it failed.

Pure functions over log text. The lines come from `common_fit_params` at verbosity 4, e.g.
`common_memory_breakdown_print: |   - Host   |   294 =    92 +     180 +      22   |` (MiB: all =
weights + context + compute), which is llama.cpp's own projection, made before it loads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MIB = 1024 * 1024
_HOST_ROW = re.compile(
    r"memory_breakdown_print: \|\s+- Host\s+\|\s+(\d+) =\s+(\d+) \+\s+(\d+) \+\s+(\d+)"
)
_FIT_ENDED = re.compile(r"fitting params to free memory took|failed to fit params")
_REASON = re.compile(r"\b(?:error|failed|unsupported|unknown|invalid|missing)\b", re.IGNORECASE)
_PREFIX = re.compile(r"^[\d.]+ [A-Z] +\S* +\S+: +")


@dataclass(frozen=True, slots=True)
class HostMemory:
    """What the engine will take of the machine's own memory, in bytes."""

    total_bytes: int
    weights_bytes: int
    context_bytes: int
    compute_bytes: int


def host_memory(log: str) -> HostMemory | None:
    """The engine's final projection for host memory; None until it has made up its mind."""
    if _FIT_ENDED.search(log) is None:
        return None
    rows = _HOST_ROW.findall(log)
    if not rows:
        return None
    total, weights, context, compute = (int(number) * _MIB for number in rows[-1])
    return HostMemory(total, weights, context, compute)


def failure_reason(log: str) -> str:
    """The lines that say why the engine failed, most telling first; the last line at least."""
    lines = [_PREFIX.sub("", line).strip() for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if _REASON.search(line)]
    chosen = telling[:3] or lines[-3:]
    return "; ".join(chosen) if chosen else "the engine left no word in its log"

"""Facts from llama.cpp's log: the memory that it will take on each device, and why it failed.

Pure functions over log text. The tables come from `common_memory_breakdown_print` at verbosity 4,
in MiB: llama.cpp's own projection, made before it loads. A device row is `| - NAME | total = free +
(self = weights + context + compute) + unaccounted |`, a host row `| - NAME | self = weights +
context + compute |`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from localai.dataclass import dataclass
from localai.patterns import lazy_pattern
from localai.wires.chat_templates import words_of_engine

_MIB: Final = 1 << 20
_ROW: Final = lazy_pattern(
    r"memory_breakdown_print: \|\s+- (?P<device>.+?)\s*\|\s*"
    r"(?:(?P<total>\d+) =\s*\d+ \+ \()?\s*"
    r"\d+ =\s*(?P<weights>\d+) \+\s*(?P<context>\d+) \+\s*(?P<compute>\d+)"
)
# How llama.cpp names a graphics processor that shares main memory.
_METAL: Final = "MTL"
_FIT_ENDED: Final = lazy_pattern(r"fitting params to free memory took|failed to fit params")
_ERROR: Final = lazy_pattern(r"^[\d.]+ E (.+)$", re.MULTILINE)
# Lines that tell why a process died: a failed assertion of ggml's, C++'s termination, Python's
# fault handler, and our own line of a worker that was told to leave.
_LAST_WORDS: Final = lazy_pattern(
    r"GGML_ASSERT|GGML_ABORT|terminate called|what\(\):|Fatal Python error|bad_alloc|^Timeout \("
    r"|failed to allocate|out of memory|the worker (?:was stopped|took more memory|computed on)"
)
# A template that cannot be parsed, and one that raises while the engine tries it out. The second
# line of the first says no more.
_TEMPLATE: Final = lazy_pattern(
    r"(?:common_chat_templates_init: error|chat template parsing error): "
    r"(.+?)(?=\n[\d.]+ [A-Z] |\Z)",
    re.DOTALL,
)
# The end of a traceback of Python's.
_RAISED: Final = lazy_pattern(r"^[\w.]*(?:Error|Exception): .")
# How many last lines are searched: after its reason, ggml prints a backtrace.
_LAST_LINES: Final = 100
_PREFIX: Final = lazy_pattern(r"^(?:[\d.]+ [A-Z] )?\s*(?:\S{1,12} +\S+: +)?")


@dataclass(frozen=True, slots=True)
class DeviceShare:
    """The memory that a model takes on one device, in bytes (llama.cpp rounds to MiB).

    `device` is llama.cpp's name. "Host" is main memory; so is "CPU_REPACK", which holds weights
    rearranged for the processor. "CUDA0 (…)" and "MTL0 (…)" are graphics processors. `device_bytes`
    is all the memory that the engine sees on a graphics processor: on a Mac, Metal's working set.
    None for main memory.
    """

    device: str
    weights_bytes: int
    context_bytes: int
    compute_bytes: int
    device_bytes: int | None = None

    @property
    def total_bytes(self) -> int:
        """Weights, context and compute together."""
        return self.weights_bytes + self.context_bytes + self.compute_bytes


def first_table(log: str) -> tuple[DeviceShare, ...] | None:
    """The projection for the parameters as given; None until the table is complete."""
    return next(_tables(log), None)


def last_table(log: str) -> tuple[DeviceShare, ...] | None:
    """The projection for the parameters that the engine has chosen; None before that is printed."""
    if _FIT_ENDED.search(log) is None:
        return None
    tables = list(_tables(log))
    return tables[-1] if tables else None


def log_of_table(shares: Iterable[DeviceShare]) -> str:
    """Lines that every function here reads as the engine's, for a projection in main memory that is
    known from an earlier load."""
    rows = (
        f"memory_breakdown_print: |   - {each.device} | {each.total_bytes // _MIB} ="
        f" {each.weights_bytes // _MIB} + {each.context_bytes // _MIB} +"
        f" {each.compute_bytes // _MIB} |\n"
        for each in shares
    )
    return "".join(rows) + "fitting params to free memory took no time: known from before\n"


def host_memory(log: str) -> DeviceShare | None:
    """The sum of main memory's rows in the final table; None before that is printed."""
    rows = [share for share in last_table(log) or () if share.device_bytes is None]
    if not rows:
        return None
    return DeviceShare(
        "Host",
        sum(row.weights_bytes for row in rows),
        sum(row.context_bytes for row in rows),
        sum(row.compute_bytes for row in rows),
    )


def main_memory_bytes(log: str) -> int | None:
    """All that a model takes of main memory, in bytes, with what a graphics processor takes of it
    (Metal); None before the final table is printed."""
    if _FIT_ENDED.search(log) is None:
        return None
    tables = list(_tables(log))
    rows = tables[-1] if tables else ()
    return sum(
        row.total_bytes for row in rows if row.device_bytes is None or row.device.startswith(_METAL)
    )


def card_memory_bytes(log: str) -> int | None:
    """What a model takes on graphics cards with a memory of their own, in bytes; None before the
    final table is printed."""
    if _FIT_ENDED.search(log) is None:
        return None
    rows = last_table(log) or ()
    return sum(
        row.total_bytes
        for row in rows
        if row.device_bytes is not None and not row.device.startswith(_METAL)
    )


def context_memory(log: str) -> int | None:
    """The memory of the context on all devices together, in bytes; None if the log does not have
    it."""
    tables = list(_tables(log))
    return sum(share.context_bytes for share in tables[-1]) if tables else None


def _tables(log: str) -> Iterator[tuple[DeviceShare, ...]]:
    """Every complete table, that is, one with a line after it."""
    shares: list[DeviceShare] = []
    for line in log.splitlines(keepends=True):
        if match := _ROW.search(line):
            weights, context, compute = (
                int(match[part]) * _MIB for part in ("weights", "context", "compute")
            )
            whole = int(match["total"]) * _MIB if match["total"] else None
            shares.append(DeviceShare(match["device"], weights, context, compute, whole))
        elif shares and line.endswith("\n"):
            yield tuple(shares)
            shares = []


def crash_reason(log: str) -> str | None:
    """The last words of a process that has ended; None if there are none, because it was killed."""
    last = log.splitlines()[-_LAST_LINES:]
    found = [line.strip() for line in last if _LAST_WORDS.search(line)]
    return "; ".join(found[:3]) if found else None


def template_reason(log: str) -> str | None:
    """Why the engine could not use the model's chat template; None if that was not why it failed,
    as far as its log says."""
    found = _TEMPLATE.search(log)
    return None if found is None else words_of_engine(found[1])


def failure_reason(log: str) -> str:
    """Why the engine failed: by Python's exception, its first errors, or its last lines."""
    last = next((line for line in reversed(log.splitlines()) if line.strip()), "")
    if _RAISED.match(last):
        return last.strip()
    errors = _ERROR.findall(log)
    lines = errors[:3] or [line for line in log.splitlines() if line.strip()][-3:]
    found = [_PREFIX.sub("", line, count=1).strip() for line in lines]
    return "; ".join(found) if found else "the engine left no word in its log"

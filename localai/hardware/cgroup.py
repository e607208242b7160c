"""The limits of a control group (a container, a systemd slice) on this process: memory and CPU.

A limit binds all groups below it, so the path is walked from our own group to the root and the
smallest limit counts. Versions 1 and 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from localai.dataclass import dataclass
from localai.hardware.readers import read_integer, read_text
from localai.units import whole_number

# Version 1 writes "no limit" as the largest page-aligned number; no real limit comes near this.
_NO_LIMIT: Final = 1 << 60


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """A limit in bytes. `used_bytes` is the memory in use, without reclaimable page cache."""

    limit_bytes: int
    used_bytes: int | None


def memory_limit(root: Path = Path("/")) -> MemoryLimit | None:
    """The tightest memory limit on this process; None if nothing limits it."""
    found: list[MemoryLimit] = []
    for folder in _groups(root, "memory"):
        limit = read_integer(folder / "memory.max")
        used = read_integer(folder / "memory.current")
        if limit is None:
            limit = read_integer(folder / "memory.limit_in_bytes")
            used = read_integer(folder / "memory.usage_in_bytes")
        if limit is not None and limit < _NO_LIMIT:
            cache = _inactive_file(folder)
            found.append(MemoryLimit(limit, None if used is None else max(0, used - cache)))
    return min(found, key=_room, default=None)


def cpu_quota(root: Path = Path("/")) -> float | None:
    """How many CPUs the tightest quota allows; None without a quota."""
    quotas: list[float] = []
    for folder in _groups(root, "cpu"):
        first, _, second = (read_text(folder / "cpu.max") or "").strip().partition(" ")
        quota, period = whole_number(first), whole_number(second)
        if not first:
            quota = read_integer(folder / "cpu.cfs_quota_us")
            period = read_integer(folder / "cpu.cfs_period_us")
        if quota is not None and period:
            quotas.append(quota / period)
    return min(quotas, default=None)


def _room(limit: MemoryLimit) -> int:
    return limit.limit_bytes - (limit.used_bytes or 0)


def _inactive_file(folder: Path) -> int:
    """The page cache in bytes that the kernel reclaims before it runs out of memory."""
    for line in (read_text(folder / "memory.stat") or "").splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return whole_number(value) or 0
    return 0


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of our control group and of all groups above it."""
    mount = root / "sys/fs/cgroup"
    for line in (read_text(root / "proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            base = mount
        elif controller in controllers.split(","):
            base = mount / controller
        else:
            continue
        # Inside a container the path is the host's, while the mount shows our own group as root.
        folder = base.joinpath(*(part for part in path.split("/") if part not in ("", "..")))
        while folder != base:
            yield folder
            folder = folder.parent
        yield base

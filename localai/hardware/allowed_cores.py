"""The cores that this process may use, where it may not use all of the machine's."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from localai.hardware.cgroup import cpu_quota
from localai.hardware.readers import read_text


def allowed_cores(
    root: Path = Path("/"), mask: Collection[int] | None = None, logical: int | None = None
) -> int | None:
    """How many physical cores an affinity mask (`taskset`, a container's cpuset) and a CPU quota
    leave of the `logical` processors, at least one; None where they leave all. Those of this
    process and machine, if they are not given."""
    if mask is None:
        mask = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    whole = logical or os.cpu_count() or 1
    quota = cpu_quota(root)
    counts = [] if quota is None or quota >= whole else [max(1, int(quota))]
    if mask and len(mask) < whole:
        counts.append(count_cores(root, mask))
    return min(counts, default=None)


def count_cores(root: Path, cpus: Iterable[int]) -> int:
    """Physical cores among the logical ones `cpus`, by the siblings that sysfs names."""
    folder = root / "sys/devices/system/cpu"
    siblings = {
        (read_text(folder / f"cpu{cpu}/topology/thread_siblings_list") or str(cpu)).strip()
        for cpu in cpus
    }
    return len(siblings)

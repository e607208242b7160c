"""Where the tests keep what is slow to get, and how it gets there whole.

An artefact is a folder under the cache root that is used only once it carries a mark, which is
set last: a killed build leaves nothing that is taken for whole. A lock keeps two runs from
building the same thing at once. Standard library only, because it runs before there is a dev
environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

WHOLE = ".whole"
NATIVE_CODE_MARKERS = ("model name", "flags", "CPU implementer", "CPU part", "Features")


def cache_root() -> Path:
    """The folder all artefacts live under: LOCALAI_TEST_CACHE, else ~/.cache/localai-tests."""
    chosen = os.environ.get("LOCALAI_TEST_CACHE")
    return Path(chosen).absolute() if chosen else Path.home() / ".cache" / "localai-tests"


def make_once(artefact: Path, build: Callable[[Path], None]) -> Path:
    """Return the folder `artefact`, after `build(artefact)` filled it unless it was whole.

    It is built in place, because a virtual environment cannot be moved; the mark that is set
    last tells whole from half. Whatever `build` raises leaves it unmarked.
    """
    if is_whole(artefact):
        return artefact
    artefact.parent.mkdir(parents=True, exist_ok=True)
    with _locked(artefact.parent / f".{artefact.name}.lock"):
        if not is_whole(artefact):
            shutil.rmtree(artefact, ignore_errors=True)
            artefact.mkdir()
            build(artefact)
            (artefact / WHOLE).touch()
    return artefact


def is_whole(artefact: Path) -> bool:
    """Whether the folder `artefact` was built to its end."""
    return (artefact / WHOLE).exists()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file lock at `path`; a process that dies lets go of it."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def cpu_key() -> str:
    """Eight hex digits that differ between CPUs on which -march=native means different code."""
    return hashlib.sha256(_cpu_description().encode()).hexdigest()[:8]


def _cpu_description() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # All cores are listed; a set, because hybrid CPUs have kinds of cores and order says nothing.
    lines = {
        line
        for line in cpuinfo.read_text().splitlines()
        if line.split(":")[0].strip() in NATIVE_CODE_MARKERS
    }
    return platform.machine() + "\n" + "\n".join(sorted(lines))


def verify_sha256(path: Path, expected: str) -> None:
    """Raise ValueError, with both digests, unless the file at `path` has the SHA-256 `expected`."""
    with path.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != expected:
        raise ValueError(f"{path.name} has SHA-256 {found}, expected {expected}")

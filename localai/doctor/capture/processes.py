"""Programs of other engines: running llama-servers, and vLLM if it is installed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from localai.doctor.capture.context import Context
from localai.doctor.capture.graphics import LIBRARY_FOLDERS
from localai.doctor.facts.servers import LlamaServer, Vllm
from localai.hardware.readers import read_text

_BOUNDS: Final = ("-cram", "--cache-ram")
_RUNTIME: Final = re.compile(rb"libcudart\.so\.\d+")
_LARGEST_LIBRARY: Final = 1 << 30


def llama_servers(context: Context) -> tuple[LlamaServer, ...]:
    """The llama-servers in /proc, except localai's own, which limits its cache itself."""
    return tuple(_llama_servers(context.root / "proc"))


def _llama_servers(proc: Path) -> Iterator[LlamaServer]:
    for comm in proc.glob("[0-9]*/comm"):
        if (read_text(comm) or "").strip() != "llama-server":
            continue
        words = (read_text(comm.with_name("cmdline")) or "").split("\0")
        # /proc may hide the arguments of another user's process.
        is_bounded = None if not any(words) else any(word.startswith(_BOUNDS) for word in words)
        yield LlamaServer(int(comm.parent.name), is_bounded)


def vllm(context: Context) -> Vllm:
    """The vLLM program on the search path, and whether the CUDA runtime of its build is here."""
    program = shutil.which("vllm", path=context.environ.get("PATH"))
    if program is None:
        return Vllm(program="", needs="", is_there=False)
    environment = Path(program).resolve().parent.parent
    packages = list(environment.glob("lib/python3.*/site-packages"))
    needs = next(filter(None, (_runtime_of(folder / "vllm") for folder in packages)), None)
    if needs is None:
        return Vllm(program)
    places = [
        *(folder / "nvidia" for folder in packages),
        *(context.root / each for each in (*LIBRARY_FOLDERS, "usr/local/cuda/lib64")),
        *map(Path, filter(None, context.environ.get("LD_LIBRARY_PATH", "").split(":"))),
    ]
    return Vllm(program, needs, any(_holds(place, needs) for place in places))


def _runtime_of(package: Path) -> str | None:
    """The CUDA runtime that a package's compiled part needs; "" if it needs none, None if it has no
    compiled part."""
    import mmap

    for library in package.glob("_C*.so"):
        size = library.stat().st_size
        if not 0 < size < _LARGEST_LIBRARY:
            return None
        with (
            library.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view,
        ):
            found = _RUNTIME.search(view)
            return found[0].decode() if found else ""
    return None


def _holds(place: Path, name: str) -> bool:
    # NVIDIA's packages keep theirs in nvidia/cuda_runtime/lib or nvidia/cu13/lib.
    return (place / name).exists() or any(place.glob(f"*/lib/{name}"))

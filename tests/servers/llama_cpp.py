"""llama.cpp's own server and quantizer, built for this CPU with CMake and a C++ compiler.

llama-cpp-python's source distribution carries all of llama.cpp, so no code hub is needed. It also
has the third-party headers that Ollama's Go module lacks.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path

from tests.servers.cache import cache_root, cpu_key, make_once
from tests.servers.commands import run
from tests.servers.packages import download

DISTRIBUTION = "0.3.36"
PROGRAMS = ("llama-server", "llama-quantize")
OPTIONS = {
    "CMAKE_BUILD_TYPE": "Release",
    # One file each, so that a program can be linked to from where Ollama looks for it.
    "BUILD_SHARED_LIBS": "OFF",
    "GGML_NATIVE": "ON",
    "LLAMA_BUILD_SERVER": "ON",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_UI": "OFF",
    "LLAMA_OPENSSL": "OFF",
}


def program(name: str = "llama-server") -> Path:
    """Where the program `name` for this CPU is, once it is built."""
    return _artefact() / "bin" / name


def headers() -> Path:
    """The folder that goes on the include path of Ollama's build."""
    return _artefact() / "vendor"


def build() -> Path:
    """Build the programs unless they are cached (about 4 minutes on 2 cores)."""
    make_once(_artefact(), _build_into)
    return program()


def _artefact() -> Path:
    return cache_root() / f"llama.cpp-{DISTRIBUTION}-{cpu_key()}"


def _build_into(folder: Path) -> None:
    scratch = folder / "scratch"
    [archive] = download("llama-cpp", scratch / "archive")
    with tarfile.open(archive) as tar:
        tar.extractall(scratch, filter="data")
    source = scratch / f"llama_cpp_python-{DISTRIBUTION}" / "vendor" / "llama.cpp"
    compile_programs(source, PROGRAMS, scratch, folder)
    shutil.copytree(source / "vendor", folder / "vendor")
    # 1 GB of source and objects.
    shutil.rmtree(scratch)


def compile_programs(
    source: Path, programs: Sequence[str], scratch: Path, folder: Path, **options: str
) -> None:
    """Build `programs` of the llama.cpp in `source`, into `folder`/bin, with other `options`."""
    given = [f"-D{name}={value}" for name, value in {**OPTIONS, **options}.items()]
    run(["cmake", "-S", source, "-B", scratch / "build", *given])
    # Whoever wants fewer compilers at once says so as CMake has it.
    environment = {"CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count() or 2), **os.environ}
    run(["cmake", "--build", scratch / "build", "--target", *programs], environment)
    (folder / "bin").mkdir()
    for name in programs:
        shutil.copy2(scratch / "build" / "bin" / name, folder / "bin" / name)

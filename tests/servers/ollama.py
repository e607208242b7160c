"""Real Ollamas, built from their Go modules with nothing but Go and a C++ compiler.

Two of them, because the wire is the same and what stands behind it is not: before 0.30 it computes
in a runner of its own code, since then in a `llama-server` that it looks for in `../lib/ollama`
beside its binary.

`go install` alone fails: Go leaves the third-party headers that Ollama includes out of modules.
llama-cpp-python's source distribution carries the same ones. Without -march=native the result
decodes four times slower, so the binary belongs to the CPU that it was built on.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.servers import llama_cpp
from tests.servers.cache import cache_root, cpu_key, make_once
from tests.servers.commands import run

VERSION = "0.17.4"
NEWER_VERSION = "0.33.0"


def binary() -> Path:
    """Where the Ollama binary for this CPU is, once it is built."""
    return _artefact(VERSION) / "bin" / "ollama"


def newer_binary() -> Path:
    """The same for the newer Ollama, which computes in llama.cpp's server."""
    return _artefact(NEWER_VERSION) / "bin" / "ollama"


def build() -> Path:
    """Build Ollama unless this CPU's binary is cached (about 5 minutes on 2 cores)."""
    llama_cpp.build()
    make_once(_artefact(VERSION), lambda folder: _install(VERSION, folder))
    return binary()


def build_newer() -> Path:
    """The same for the newer Ollama (about a minute after llama.cpp)."""
    llama_cpp.build()
    make_once(_artefact(NEWER_VERSION), _build_with_server)
    return newer_binary()


def _artefact(version: str) -> Path:
    return cache_root() / f"ollama-{version}-{cpu_key()}"


def _build_with_server(folder: Path) -> None:
    _install(NEWER_VERSION, folder)
    beside = folder / "lib" / "ollama"
    beside.mkdir(parents=True)
    for name in llama_cpp.PROGRAMS:
        (beside / name).symlink_to(llama_cpp.program(name))


def _install(version: str, folder: Path) -> None:
    headers = llama_cpp.headers()
    environment = {
        **os.environ,
        "GOBIN": str(folder / "bin"),
        "CGO_ENABLED": "1",
        "CGO_CPPFLAGS": f"-I{headers}",
        "CGO_CFLAGS": "-O3 -march=native",
        "CGO_CXXFLAGS": f"-O3 -march=native -I{headers}",
    }
    # -p 2: each C++ unit of ggml takes up to 1 GB, and small machines have few cores anyway.
    command = ["go", "install", "-p", "2", f"github.com/ollama/ollama@v{version}"]
    run(command, environment)

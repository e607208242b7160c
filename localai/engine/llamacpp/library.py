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


def write_out_log() -> None:
    """Wait until all that the engine has said stands in its log.

    A thread of its own writes it: what is read at once lacks the end, and where the process exits
    at once, the end is lost. Does nothing where the library does not export the functions.
    """
    library = engine_library()
    try:
        # common_log_main() and common_log_flush(common_log *), as C++ names them.
        log, flush = library._Z15common_log_mainv, library._Z16common_log_flushP10common_log  # type: ignore[union-attr]
    except AttributeError:
        return
    log.restype = ctypes.c_void_p
    flush.argtypes = [ctypes.c_void_p]
    flush.restype = None
    flush(log())

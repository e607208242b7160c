"""A process that ends at once still leaves all that its engine said."""

from __future__ import annotations

import subprocess
import sys

import pytest

LINES = 20_000
SAYS_MUCH = f"""
import ctypes, os
from localai.engine.llamacpp.library import engine_library, write_out_log
engine = engine_library()
engine._Z15common_log_mainv.restype = ctypes.c_void_p
log = ctypes.c_void_p(engine._Z15common_log_mainv())
error = 4
for number in range({LINES}):
    engine._Z14common_log_addP10common_log14ggml_log_levelPKcz(log, error, b"line %d\\n", number)
"""


def said(how_it_ends: str) -> list[bytes]:
    script = f"{SAYS_MUCH}\n{how_it_ends}\nos._exit(1)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 1, done.stderr[-500:]
    return done.stderr.splitlines()


def test_what_the_engine_said_stands_in_its_log_before_the_process_ends() -> None:
    lines = said("write_out_log()")
    assert len(lines) == LINES
    assert lines[-1].endswith(f"line {LINES - 1}".encode())


def test_an_engine_that_exports_no_log_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    from localai.engine.llamacpp import library

    monkeypatch.setattr(library, "engine_library", lambda: None)
    library.write_out_log()
    assert library.engine_library() is None

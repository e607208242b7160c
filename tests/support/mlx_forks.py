"""MLX's workers without the start of an interpreter: forks of one that has imported mlx-lm.

Most of a worker's start is the import of mlx-lm, of transformers above all, and some fifty workers
start in the tests. The program `mlx_python` stands for MLX's interpreter: asked for a module of
`localai.engine.mlx` it has it run in a fork (`mlx_fork_server`), and lives and dies with that;
asked for anything else it becomes the interpreter. A fork shares nothing with other workers, and
imports localai itself. One thing differs: the process that a command has started, and kills, is
`mlx_python` and not the worker.

`mlx_python_itself` is the interpreter. `mlx_python` is the same on a Mac, where Metal survives no
fork, and under LOCALAI_TEST_REAL_PROCESSES=1.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fork_server import REAL_PROCESSES, REPOSITORY
from tests.support.processes import bare_environment
from tests.support.weights import require

_STAND_IN = Path(__file__).with_name("mlx_stand_in.py")


@pytest.fixture(scope="session")
def mlx_python_itself() -> Path:
    """An interpreter that has mlx and mlx-lm."""
    return require("mlx-python")


@pytest.fixture(scope="session")
def mlx_python(mlx_python_itself: Path) -> Iterator[Path]:
    """A program that does what that interpreter does, and runs MLX's workers in forks."""
    if sys.platform != "linux" or REAL_PROCESSES in os.environ:
        yield mlx_python_itself
        return
    # Not in tmp_path: that name can be too long for a Unix socket inside.
    folder = Path(tempfile.mkdtemp(prefix="localai-mlx-"))
    address, program = folder / "server", folder / "python"
    # Without site and what it imports: this is a twentieth of a start.
    command = [sys.executable, "-I", "-S", _STAND_IN, mlx_python_itself, address]
    words = " ".join(shlex.quote(str(each)) for each in command)
    program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    program.chmod(0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(address))
        listener.listen()
        server = subprocess.Popen(
            [mlx_python_itself, "-P", "-m", "tests.support.mlx_fork_server"],
            env=bare_environment(folder) | {"PYTHONPATH": str(REPOSITORY)},
            stdin=listener.fileno(),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    yield program
    server.kill()
    server.wait()
    shutil.rmtree(folder, ignore_errors=True)

"""MLX's worker in a fork ends as a process of its own does, and with its stand-in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from localai.engine.lifecycle import acquire
from localai.engine.worker_files import WorkerSpec
from localai.locks import is_locked
from localai.paths import locate
from tests.support.clock import becomes
from tests.support.command import REPOSITORY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks serve on Linux alone")


def said(python: Path, *arguments: str) -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        [python, *arguments],
        env={"PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.splitlines()[-1] if done.stderr else b""


def test_it_ends_as_the_interpreter_does(mlx_python: Path, mlx_python_itself: Path) -> None:
    command = ("-c", "import sys; print(sys.argv, sys.prefix); sys.exit(5)", "word")
    assert said(mlx_python, *command) == said(mlx_python_itself, *command)
    wrong = ("-P", "-m", "localai.engine.mlx.convert", "no-target")
    code, _, last = said(mlx_python, *wrong)
    assert (code, last) == said(mlx_python_itself, *wrong)[::2]
    assert last.startswith(b"TypeError: main() missing 2 required")


def test_it_ends_with_the_program_that_stands_for_it(
    localai_home: Path, mlx_python: Path, tiny_mlx_path: Path
) -> None:
    spec = WorkerSpec("mlx", str(tiny_mlx_path), 256)
    before = {each.pid for each in psutil.Process().children()}
    with acquire(
        locate(),
        spec,
        keep_alive_s=60,
        available_bytes=lambda: None,
        interpreter=str(mlx_python),
    ) as lease:
        [stand_in] = [each for each in psutil.Process().children() if each.pid not in before]
        assert stand_in.pid != lease.info.pid
        assert is_locked(lease.files.alive)
        stand_in.kill()
        assert becomes(lambda: not is_locked(lease.files.alive), 10)

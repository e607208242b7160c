"""A command that is killed while its model loads, or while the engine projects a model's memory,
leaves no process behind and nothing that blocks the next."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from localai.engine.lifecycle import workers
from localai.engine.worker_files import WorkerInfo
from localai.paths import Paths
from tests.support.clock import becomes
from tests.support.command import COMMAND, RunLocalai

pytestmark = pytest.mark.real_process

_WITHIN_S = 30.0


@pytest.fixture
def loading_command(
    home_with_starter: Paths, command_environment: dict[str, str], tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """`localai chat`, whose worker was stopped by a signal as soon as it had begun to load: so it
    loads for ever, and can no more notice anything than native code that holds the interpreter."""
    command = subprocess.Popen(
        [*COMMAND, "chat", "-m", "starter", "Hello"],
        env=command_environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert becomes(lambda: bool(workers(home_with_starter)), _WITHIN_S)
    os.kill(_only_worker(home_with_starter).pid, signal.SIGSTOP)
    assert _only_worker(home_with_starter).is_loading
    yield command
    command.kill()
    command.communicate()


def _only_worker(paths: Paths) -> WorkerInfo:
    [(_, info)] = workers(paths)
    return info


def _engine_processes(home: Path) -> list[psutil.Process]:
    """Every process of the engine in `home`, those that the commands cannot see included."""
    found = []
    for process in psutil.process_iter():
        try:
            is_engine = any(word.startswith("localai.engine.") for word in process.cmdline())
            if is_engine and process.environ().get("LOCALAI_HOME") == str(home):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_worker_ends_with_the_command_that_started_it(
    localai_home: Path,
    loading_command: subprocess.Popen[bytes],
    run_localai: RunLocalai,
    number: signal.Signals,
) -> None:
    loading_command.send_signal(number)
    loading_command.wait(_WITHIN_S)

    next_one = run_localai("chat", "-m", "starter", "--max-tokens", "4", "Hello", timeout_s=60)

    assert next_one.returncode == 0, next_one.stderr
    [shown] = json.loads(run_localai("ps", "--json").stdout)["workers"]
    assert not shown["loading"]
    # Nobody watches a worker that is ready, and nobody is left of the first.
    assert becomes(
        lambda: [each.pid for each in _engine_processes(localai_home)] == [shown["pid"]], _WITHIN_S
    )


def test_a_worker_that_loads_is_shown_and_can_be_stopped(
    localai_home: Path, loading_command: subprocess.Popen[bytes], run_localai: RunLocalai
) -> None:
    [shown] = json.loads(run_localai("ps", "--json").stdout)["workers"]
    assert shown["loading"]
    assert b"loading" in run_localai("ps").stdout

    assert run_localai("stop", "starter").returncode == 0

    _, error = loading_command.communicate(timeout=_WITHIN_S)
    assert loading_command.returncode == 5, error
    assert becomes(lambda: not _engine_processes(localai_home), _WITHIN_S)


def test_a_projection_ends_with_the_command_that_asked(
    laconic_path: Path, localai_home: Path, command_environment: dict[str, str]
) -> None:
    program = (
        "import sys; from pathlib import Path;"
        "from localai.engine.llamacpp.memory_projection import project_memory;"
        "project_memory(Path(sys.argv[1]), 512)"
    )
    asker = subprocess.Popen(
        [sys.executable, "-c", program, str(laconic_path)], env=command_environment
    )
    # The process that loads, and the one that watches it.
    assert becomes(lambda: len(_engine_processes(localai_home)) == 2, _WITHIN_S)
    min(_engine_processes(localai_home), key=lambda process: process.create_time()).suspend()
    asker.kill()
    asker.wait()
    assert becomes(lambda: not _engine_processes(localai_home), _WITHIN_S)

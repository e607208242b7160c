"""A command that Ctrl-Z has stopped keeps its worker, and nobody else from the model."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from localai.engine.lifecycle import acquire, workers
from localai.engine.worker_files import WorkerInfo
from localai.paths import Paths
from tests.support.clock import becomes
from tests.support.command import COMMAND, RunLocalai

_WITHIN_S = 60.0
Start = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def start(home_with_starter: Paths, command_environment: dict[str, str]) -> Iterator[Start]:
    """A function that starts `localai chat` with a question."""
    with ExitStack() as stack:

        def started(question: str) -> subprocess.Popen[bytes]:
            command = subprocess.Popen(
                [*COMMAND, "chat", "-m", "starter", "--max-tokens", "60", question],
                env=command_environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            stack.callback(command.communicate)
            stack.callback(command.kill)
            return command

        yield started


def _infos(paths: Paths) -> list[WorkerInfo]:
    return [info for _, info in workers(paths)]


def test_one_that_loads_the_model(
    home_with_starter: Paths, start: Start, run_localai: RunLocalai
) -> None:
    stopped = start("Hello")
    assert becomes(lambda: bool(_infos(home_with_starter)), _WITHIN_S)
    stopped.send_signal(signal.SIGSTOP)
    [first] = _infos(home_with_starter)
    assert first.is_loading

    other = run_localai("chat", "-m", "starter", "--max-tokens", "4", "Hello", timeout_s=_WITHIN_S)

    assert other.returncode == 0, other.stderr
    assert len(_infos(home_with_starter)) == 2
    with acquire(
        home_with_starter, first.spec, keep_alive_s=60, available_bytes=lambda: None
    ) as lease:
        assert lease.stopped_owner == stopped.pid
    stopped.send_signal(signal.SIGCONT)
    _, error = stopped.communicate(timeout=_WITHIN_S)
    assert stopped.returncode == 0, error


def test_one_in_the_middle_of_its_answer(
    home_with_starter: Paths, start: Start, run_localai: RunLocalai
) -> None:
    stopped = start("Count from one to a hundred, in words.")
    assert stopped.stdout is not None
    assert stopped.stdout.read(4)
    stopped.send_signal(signal.SIGSTOP)
    [first] = _infos(home_with_starter)

    # It needs another worker, and this one's is not taken from it.
    larger = ("--ctx", str(first.context_tokens + 1024))
    short = ("--max-tokens", "4", "Hello")
    other = run_localai("chat", "-m", "starter", *larger, *short, timeout_s=_WITHIN_S)

    assert other.returncode == 0, other.stderr
    assert {info.pid for info in _infos(home_with_starter)} > {first.pid}
    stopped.send_signal(signal.SIGCONT)
    _, error = stopped.communicate(timeout=_WITHIN_S)
    assert stopped.returncode == 0, error

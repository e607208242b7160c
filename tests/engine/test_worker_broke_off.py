"""A worker that is killed, stopped or hangs in the middle of an answer, as a user sees it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from localai.engine.lifecycle import workers
from localai.paths import Paths
from tests.support.clock import within
from tests.support.command import COMMAND, RunLocalai

_WITHIN_S = 30.0
ENDLESS = ("-o", "provider.ignore_eos", "true", "--max-tokens", "100000", "--ctx", "8192")


@pytest.fixture
def answering(
    home_with_starter: Paths, command_environment: dict[str, str], run_localai: RunLocalai
) -> Iterator[subprocess.Popen[bytes]]:
    """`localai chat` in the middle of a long answer; its first words have been read."""
    command = subprocess.Popen(
        [*COMMAND, "chat", "-m", "starter", *ENDLESS, "Count in words."],
        env=command_environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert command.stdout is not None
    assert command.stdout.read(8)
    yield command
    command.kill()
    command.communicate()


def _worker(paths: Paths) -> int:
    [(_, info)] = workers(paths)
    return info.pid


def test_a_killed_worker_is_said_to_be_killed(
    home_with_starter: Paths, answering: subprocess.Popen[bytes]
) -> None:
    os.kill(_worker(home_with_starter), signal.SIGKILL)
    _, error = answering.communicate(timeout=_WITHIN_S)
    assert answering.returncode == 5
    assert b"broke off: it was killed (out of memory?)" in error


def test_a_stopped_worker_is_said_to_be_stopped(
    answering: subprocess.Popen[bytes], run_localai: RunLocalai
) -> None:
    run_localai("stop", "--all")
    _, error = answering.communicate(timeout=_WITHIN_S)
    assert answering.returncode == 5
    assert b"broke off: the worker was stopped" in error


@pytest.mark.clock
def test_ctrl_c_does_not_wait_for_a_worker_that_hangs(
    home_with_starter: Paths, answering: subprocess.Popen[bytes]
) -> None:
    os.kill(_worker(home_with_starter), signal.SIGSTOP)
    answering.send_signal(signal.SIGINT)
    with within(15):
        answering.communicate(timeout=60)
    assert answering.returncode == 130


def test_a_worker_of_another_version_can_be_seen_and_stopped(
    home_with_starter: Paths, answering: subprocess.Popen[bytes], run_localai: RunLocalai
) -> None:
    [(files, _)] = workers(home_with_starter)
    document = json.loads(files.info.read_bytes())
    document["of_tomorrow"] = document["spec"]["of_tomorrow"] = 1
    del document["kv_folder"]
    files.info.write_text(json.dumps(document))
    assert b"starter" in run_localai("ps").stdout
    assert run_localai("stop", "--all").returncode == 0
    assert workers(home_with_starter) == []

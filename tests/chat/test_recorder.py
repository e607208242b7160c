"""What was shown is kept, however its command ends."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from localai.database import Criteria, Database
from localai.paths import locate
from tests.support.command import COMMAND, merged


@pytest.fixture
def paused(
    command_environment: dict[str, str], robot_environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    """A chat that has shown half of its answer, and waits for the other one."""
    process = subprocess.Popen(
        [*COMMAND, "chat", "-m", "robot/r2", "pause the first half"],
        env=merged(command_environment, robot_environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.read(4) == b"the "
    return process


def _kept() -> tuple[str, str | None]:
    """The text of the answer, and how it ended."""
    database = Database(locate().database)
    (conversation,) = database.summaries(Criteria(), None)
    answer = database.messages(conversation.id)[-1]
    database.close()
    return answer.text, answer.finish_reason


def test_what_was_shown_is_kept_half_a_second_later_though_the_answer_pauses(
    paused: subprocess.Popen[bytes],
) -> None:
    time.sleep(2)
    paused.kill()
    paused.communicate(timeout=60)
    assert _kept() == ("the first half", None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_asked_to_end_keeps_what_it_has(
    paused: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    paused.send_signal(number)
    _, said = paused.communicate(timeout=30)
    assert (paused.returncode, said) == (-number, b"")
    assert _kept() == ("the first half", "cancelled")

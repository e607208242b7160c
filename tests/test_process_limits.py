"""Commands with few addresses, little stack, few open files: they run, or say what they lack."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.command import COMMAND

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="macOS holds no process to a limit of addresses"
)


def _within(environment: dict[str, str], limit: str, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        ["prlimit", limit, *COMMAND, *words],
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.mark.parametrize(
    ("limit", "lacks"),
    [
        ("--as=100000000", "may use 100 MB of addresses and needs 150 MB"),
        ("--stack=200000", "may use 200 kB of stack and needs 262 kB"),
    ],
)
def test_too_little_for_any_command_is_said(
    command_environment: dict[str, str], limit: str, lacks: str
) -> None:
    code, said = _within(command_environment, limit, "list")
    assert code == 7
    assert lacks in said


@pytest.mark.parametrize("limit", ["--as=160000000", "--stack=300000", "--nofile=40"])
def test_doctor_looks_at_everything_within_little(
    command_environment: dict[str, str], limit: str
) -> None:
    """Its 18 threads once took 1.1 GB of addresses, and the process died of what was left."""
    code, said = _within(command_environment, limit, "doctor", "-v")
    assert code in (0, 8), said
    assert "not be looked at" not in said


_LEAVES = """
import resource, sys, threading
if "spare" in sys.argv:
    from localai.process_limits import keep_within_limits
    keep_within_limits()

def compute():
    while True:
        pass

for _ in range(3):
    threading.Thread(target=compute, daemon=True).start()
for limit, soft in ((resource.RLIMIT_AS, 1 << 20), (resource.RLIMIT_NOFILE, 0)):
    resource.setrlimit(limit, (soft, resource.getrlimit(limit)[1]))
"""


@pytest.mark.parametrize("limit", ["--as=400000000", "--nofile=40"])
def test_threads_that_still_run_at_the_end_are_ended(
    command_environment: dict[str, str], limit: str
) -> None:
    # Unmended, one in three aborted.
    for _ in range(4):
        done = subprocess.run(
            ["prlimit", limit, sys.executable, "-c", _LEAVES, "spare"],
            env=command_environment,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr

"""What ends a process in which a template does not come to its end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.privacy.child import child_python


@pytest.mark.parametrize(
    "endless",
    ["while True: pass", "('a' * 100_000_000).count('b' * 50_000_000 + 'a', 0)\n  time.sleep(60)"],
)
def test_a_template_without_an_end_ends_the_process_and_logs_no_word_of_it(endless: str) -> None:
    script = (
        "import time\n"
        "from localai.engine.template_limit import ending_process_after\n"
        f"with ending_process_after(0.5):\n  secret = 'Xanadu'\n  {endless}\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=child_python(),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"Timeout (")
    assert b"Xanadu" not in ended.stderr


def test_a_template_that_comes_to_its_end_changes_nothing() -> None:
    script = (
        "import time\n"
        "from localai.engine.template_limit import ending_process_after\n"
        "with ending_process_after(0.2): pass\n"
        "time.sleep(0.5)\n"
        "print('still here')\n"
    )
    told = subprocess.check_output([sys.executable, "-c", script], env=child_python(), timeout=30)
    assert told == b"still here\n"


@pytest.mark.parametrize("how", ["within_memory", "_by_looking"])
def test_a_template_that_doubles_its_text_gets_no_further_than_its_limit(how: str) -> None:
    """By the kernel an error, elsewhere the end of the process; with either, memory is left."""
    script = (
        "import resource\n"
        f"from localai.engine.template_limit import {how} as limited\n"
        "def render():\n"
        "  text = 'Xanadu' * 1000\n"
        "  while True: text += text\n"
        "try:\n"
        "  with limited(200 << 20): render()\n"
        "except MemoryError: print('refused')\n"
        "print(resource.getrlimit(resource.RLIMIT_DATA))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 3 << 20)\n"
    )
    ended = subprocess.run(
        ["prlimit", f"--as={8 << 30}", sys.executable, "-c", script],
        env=child_python(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if how == "within_memory":
        assert ended.stdout == "refused\n(-1, -1)\nTrue\n"
    else:
        assert ended.returncode == 1, ended.stderr
        assert ended.stderr == "a chat template took too much memory\n"
    assert "Xanadu" not in ended.stderr

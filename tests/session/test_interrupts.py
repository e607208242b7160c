"""Ctrl-C around a session."""

from __future__ import annotations

import subprocess
import sys

_WHILE_PYTHON_ENDS = """
import os, signal
from localai.session.interrupts import Interrupts

class Late:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGINT):
        kill(pid, number)

late = Late()
interrupts = Interrupts()
interrupts.begin()
interrupts.end()
"""


def test_a_ctrl_c_while_the_session_ends_is_no_death_by_a_signal() -> None:
    ended = subprocess.run([sys.executable, "-c", _WHILE_PYTHON_ENDS], timeout=60)
    assert ended.returncode == 0

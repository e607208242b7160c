"""A Mac does not fall asleep in the middle of a long batch or pull, and may afterwards."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from localai.hardware import power
from localai.hardware.power import kept_awake
from tests.support.clock import becomes

# Says how it was called, and then waits as caffeinate does.
_PROGRAM = """#!/bin/sh
echo "$$ $*" > {said}.new
mv {said}.new {said}
exec sleep 60
"""


@pytest.fixture
def caffeinate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the place of macOS's; the file that it writes how it was called to."""
    said, program = tmp_path / "said", tmp_path / "caffeinate"
    program.write_text(_PROGRAM.format(said=said))
    program.chmod(0o755)
    monkeypatch.setattr(power, "CAFFEINATE", str(program))
    return said


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_mac_is_kept_awake_as_long_as_the_work_lasts(
    caffeinate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with kept_awake():
        assert becomes(caffeinate.exists, 20)
        pid, *arguments = caffeinate.read_text().split()
        # It also ends with this process, however that ends.
        assert arguments == ["-i", "-w", str(os.getpid())]
        assert _lives(int(pid))
    assert not _lives(int(pid))


def test_elsewhere_and_without_the_program_nothing_is_started(
    caffeinate: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    with kept_awake():
        pass
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(power, "CAFFEINATE", str(tmp_path / "absent"))
    with kept_awake():
        pass
    assert not caffeinate.exists()

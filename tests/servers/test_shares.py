"""In several processes, what a file makes once for its tests is made once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.command import REPOSITORY

_SHARED = """
import os, pytest
from pathlib import Path

@pytest.fixture(scope="module")
def made():
    with Path("made").open("a") as file:
        file.write(f"{__name__}\\n")

@pytest.mark.parametrize("number", range(8))
def test_uses_it(made, number):
    with Path("ran").open("a") as file:
        file.write(f"{os.environ['PYTEST_XDIST_WORKER']}\\n")
"""


def test_tests_that_share_a_fixture_of_their_file_run_in_one_process(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tests.support.shares"]\n')
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    for name in ("one", "two"):
        (tmp_path / f"test_{name}.py").write_text(_SHARED)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup"]
    done = subprocess.run(
        [*command, "-p", "no:langsmith_plugin"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "16 passed" in done.stdout, done.stdout + done.stderr
    assert sorted((tmp_path / "made").read_text().split()) == ["test_one", "test_two"]
    processes = (tmp_path / "ran").read_text().split()
    assert sorted(processes.count(each) for each in set(processes)) == [8, 8]

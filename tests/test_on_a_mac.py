"""`tests/on_a_mac.sh`, for whoever has a Mac, runs to its end, and its lines can be typed.

macOS's tools are played, and localai is a program that notes how it was called.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from localai.commands.first_word import spelled_out
from localai.commands.table import COMMANDS
from tests.test_guides import parse

REPOSITORY = Path(__file__).parents[1]
TOOLS = {
    "sw_vers": "echo 'ProductVersion: 15.6'",
    "sysctl": "echo 'hw.optional.arm64: 1'",
    "sandbox-exec": 'shift 2; exec "$@"',
    "arch": 'shift; exec "$@"',
    "install.sh": "echo 'This was a dry run'",
    "tmutil": "echo '[Excluded]'",
    "pgrep": "echo '42 caffeinate -i'",
    "sleep": ":",
    "localai": """{ printf '%s\\037' "$@"; printf '\\036'; } >> "$CALLS"; cat > /dev/null""",
}
# What only a Mac can show, in the order of the script.
PARTS = (
    *("machine", "installation", "authorities", "sandbox", "another sandbox", "deep home", "Metal"),
    *("MLX", "thoughts", "several together", "beside an answer", "cannot do"),
    *("runs count", "listens", "Time Machine", "power cut", "another Python", "memory", "awake"),
    *("set-up", "recommended"),
)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_it_runs_to_its_end_and_every_line_can_be_typed(tmp_path: Path, shell: str) -> None:
    clone, bin_folder, calls = tmp_path / "clone", tmp_path / "bin", tmp_path / "calls"
    for folder in (clone / "tests", bin_folder):
        folder.mkdir(parents=True)
    for name, does in TOOLS.items():
        file = (clone if name == "install.sh" else bin_folder) / name
        file.write_text(f"#!/bin/sh\n{does}\n")
        file.chmod(0o755)
    script = shutil.copy(REPOSITORY / "tests/on_a_mac.sh", clone / "tests")
    done = subprocess.run(
        [shell, script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "TMPDIR": str(tmp_path),
            "CALLS": str(calls),
        },
    )
    # The bundle that localai would make is the only file that is missing.
    complaints = [line for line in done.stderr.splitlines() if "bundle/PYTHON" not in line]
    assert (done.returncode, complaints) == (0, [])
    titles = [line for line in done.stdout.splitlines() if line.startswith("== ")]
    assert len(titles) == len(PARTS)
    assert all(part in title for part, title in zip(PARTS, titles, strict=True))
    names = {row.name for row in COMMANDS}
    typed = [call.split("\x1f")[:-1] for call in calls.read_text().split("\x1e")[:-1]]
    assert len(typed) > 30
    for arguments in typed:
        parse(spelled_out(arguments, names))

"""What is slow to get is got once, and half of it is never taken for whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import cache
from tests.servers.commands import CommandFailed, run
from tests.servers.environments import REPOSITORY
from tests.servers.resources import Resource

SLOW_BUILD = """
import sys, time
from pathlib import Path
from tests.servers.cache import make_once

def build(folder):
    (folder / "half").touch()
    with open(sys.argv[2], "a") as log:
        log.write("built\\n")
    print("building", flush=True)
    time.sleep(float(sys.argv[3]))
    (folder / "rest").touch()

make_once(Path(sys.argv[1]), build)
"""


def start_build(artefact: Path, log: Path, seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", SLOW_BUILD, artefact, log, str(seconds)],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
    )


def test_a_killed_build_is_not_taken_for_whole_and_starts_afresh(tmp_path: Path) -> None:
    artefact, log = tmp_path / "artefact", tmp_path / "log"
    with start_build(artefact, log, 60) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"building\n"
        killed.kill()
    assert (artefact / "half").exists()
    assert not cache.is_whole(artefact)

    cache.make_once(artefact, lambda folder: (folder / "other").touch())

    assert cache.is_whole(artefact)
    assert not (artefact / "half").exists()


def test_two_runs_build_once(tmp_path: Path) -> None:
    artefact, log = tmp_path / "artefact", tmp_path / "log"
    builds = [start_build(artefact, log, 0.5) for _ in range(2)]
    for build in builds:
        build.communicate()
    assert [build.returncode for build in builds] == [0, 0]
    assert log.read_text() == "built\n"
    assert (artefact / "rest").exists()


def test_a_failed_build_leaves_nothing_to_use(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        raise ValueError("no compiler")

    with pytest.raises(ValueError, match="no compiler"):
        cache.make_once(tmp_path / "artefact", fail)
    assert not cache.is_whole(tmp_path / "artefact")


def test_a_half_made_resource_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALAI_TEST_CACHE", str(tmp_path))
    binary = tmp_path / "server-1" / "bin" / "server"
    resource = Resource("LOCALAI_TEST_SERVER", lambda: binary, lambda: binary)
    binary.parent.mkdir(parents=True)
    binary.touch()
    assert resource.find() is None
    (tmp_path / "server-1" / cache.WHOLE).touch()
    assert resource.find() == binary


def test_a_wrong_digest_is_an_error_with_both_digests(tmp_path: Path) -> None:
    weights = tmp_path / "model.gguf"
    weights.write_bytes(b"")
    with pytest.raises(ValueError, match=r"model\.gguf has SHA-256 e3b0c442.*, expected 00"):
        cache.verify_sha256(weights, "00")


def test_a_command_that_fails_says_what_it_printed() -> None:
    with pytest.raises(CommandFailed, match=r"sh -c .* ended with 3:\nno such header"):
        run(["sh", "-c", "echo no such header >&2; exit 3"])

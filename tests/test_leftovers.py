"""What a process that was killed leaves among the files is removed by the next; what a living one
has is not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.files import write_atomically
from localai.temporary import TemporaryFolder, sweep_temporaries
from tests.support.clock import becomes

_WRITES_FOR_EVER = """
import sys, time
from pathlib import Path
from localai.files import create_atomically
def pieces():
    yield b"half"
    print("written", flush=True)
    time.sleep(600)
create_atomically(Path(sys.argv[1]) / "new", pieces())
"""
_HOLDS_FOR_EVER = """
import time
from localai.temporary import TemporaryFolder
with TemporaryFolder() as name:
    (open(f"{name}/model.gguf", "w")).close()
    print("written", flush=True)
    time.sleep(600)
"""
_HOLDS_BESIDE = """
import sys, time
from pathlib import Path
from localai.temporary import TemporaryFolder
with TemporaryFolder(Path(sys.argv[1]), ".[new].") as name:
    print("written", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder of this process and of those it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(
    params=[_WRITES_FOR_EVER, _HOLDS_FOR_EVER, _HOLDS_BESIDE], ids=["file", "folder", "beside"]
)
def writing(request: pytest.FixtureRequest, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the middle of its work, which it began long ago."""
    process = subprocess.Popen(
        [sys.executable, "-c", request.param, str(folder)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    long_ago = time.time() - 3600
    for each in folder.iterdir():
        os.utime(each, (long_ago, long_ago))
    yield process
    process.kill()
    process.communicate()


def _left(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def _do_the_same(folder: Path) -> None:
    write_atomically(folder / "new", b"whole")
    (folder / "new").unlink()
    TemporaryFolder().cleanup()
    TemporaryFolder(folder, ".[new].").cleanup()


def test_what_a_killed_process_left_is_removed(
    folder: Path, writing: subprocess.Popen[bytes]
) -> None:
    assert len(_left(folder)) == 1
    writing.kill()
    writing.wait()

    def is_removed() -> bool:
        _do_the_same(folder)
        return not _left(folder)

    assert becomes(is_removed, 10)


def test_what_a_living_process_has_stays(folder: Path, writing: subprocess.Popen[bytes]) -> None:
    before = _left(folder)
    _do_the_same(folder)
    assert _left(folder) == before
    assert writing.poll() is None


def test_a_folder_of_our_own_is_swept_whatever_the_files_were_called(tmp_path: Path) -> None:
    long_ago = time.time() - 3600
    for name in (".1f2e.json.abcdefgh.tmp", "kept.json", ".kept.json.tmp"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (long_ago, long_ago))
    sweep_temporaries(tmp_path)
    assert sorted(_left(tmp_path)) == [".kept.json.tmp", "kept.json"]

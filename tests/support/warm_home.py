"""A home whose engine stays from one test to the next: for what is not about the engine's start.

A file takes it by a fixture of its own:

    @pytest.fixture
    def localai_home(warm_home: Path) -> Path:
        return warm_home

All such tests of a process have the home at one path, and it is as fresh for each of them as any
other. But an engine that has loaded the starter as a plain question does is left running, which
saves its start: most of a second of processor time. A test that needs another beginning takes the
fixture `cold_engine` besides.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.engine.worker_files import WorkerInfo, all_files
from localai.paths import locate
from tests.support.command import stop_processes_of

_PLAIN_CONTEXT_TOKENS, _PLAIN_SLOTS = 4096, 4


@pytest.fixture(scope="session")
def _warm_folder() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="localai-"))
    yield home
    stop_processes_of(home)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def _starters() -> list[Path]:
    """The starter that the last test had, if there was one."""
    return []


@pytest.fixture
def warm_home(
    _warm_folder: Path,
    _starters: list[Path],
    starter_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Path]:
    """A LOCALAI_HOME, set for this process too, in which an engine may run already."""
    if _starters and _starters != [starter_weights]:
        stop_processes_of(_warm_folder)
    _starters[:] = [starter_weights]
    monkeypatch.setenv("LOCALAI_HOME", str(_warm_folder))
    yield _warm_folder
    _clean(_warm_folder, starter_weights)


@pytest.fixture
def cold_engine(localai_home: Path) -> None:
    """No engine runs in the home."""
    stop_processes_of(localai_home)


def _clean(home: Path, model: Path) -> None:
    """Stop and remove all but the engine of `model`, if it can answer the next test's question."""
    kept: set[Path] = set()
    pid = None
    for files in all_files(locate({"LOCALAI_HOME": str(home)})):
        info = files.read_info()
        if info is not None and _is_plain(info, model):
            pid = info.pid
            kept |= {files.log, *files.directory.iterdir()}
            kept |= {Path(info.kv_folder)} if info.kv_folder is not None else set()
    stop_processes_of(home, but=pid)
    for folder, folders, names in os.walk(home, topdown=False):
        for path in (Path(folder) / name for name in names):
            if path not in kept:
                path.unlink(missing_ok=True)
        for path in (Path(folder) / name for name in folders):
            if path.is_symlink():
                path.unlink()
            elif path not in kept and not any(path.iterdir()):
                path.rmdir()


def _is_plain(info: WorkerInfo, model: Path) -> bool:
    return (
        not info.is_loading
        and os.path.realpath(info.spec.model_path) == os.path.realpath(model)
        and info.context_tokens == _PLAIN_CONTEXT_TOKENS
        and (info.spec.slots, info.spec.chat_template) == (_PLAIN_SLOTS, None)
        and (info.spec.adapter_path, info.spec.projector_path, info.spec.binary) == (None,) * 3
    )

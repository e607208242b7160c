"""localai's own models stay out of Time Machine, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.fetch import backups
from localai.fetch.backups import make_store, models_folder
from localai.paths import Paths, locate


@pytest.fixture
def paths(localai_home: Path) -> Paths:
    return locate()


@pytest.fixture
def tmutil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Mac's program, by simulation; the file that it writes how it was called to."""
    said, program = tmp_path / "said", tmp_path / "tmutil"
    program.write_text(f'#!/bin/sh\necho "$@" >> {said}\n')
    program.chmod(0o755)
    monkeypatch.setattr(backups, "TMUTIL", str(program))
    monkeypatch.setattr(backups, "_PLATFORM", "darwin")
    return said


def test_the_folder_of_models_is_left_out_once(paths: Paths, tmutil: Path) -> None:
    for _ in range(2):
        assert models_folder(paths) == paths.models_dir
    # Whoever took it back is not overruled by the next pull.
    assert tmutil.read_text() == f"addexclusion {paths.models_dir}\n"


def test_a_store_of_somebody_else_is_theirs(paths: Paths, tmutil: Path, tmp_path: Path) -> None:
    make_store(tmp_path / "hub", paths)
    assert not tmutil.exists()
    assert not paths.models_dir.exists()
    make_store(paths.models_dir / "with-projector", paths)
    assert tmutil.exists()


def test_without_the_program_the_folder_is_there_all_the_same(
    paths: Paths, tmutil: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "TMUTIL", "/nowhere/tmutil")
    assert models_folder(paths).is_dir()


def test_elsewhere_nothing_is_called(
    paths: Paths, tmutil: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "_PLATFORM", "linux")
    assert models_folder(paths).is_dir()
    assert not tmutil.exists()

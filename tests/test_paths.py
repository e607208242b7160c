"""Where things are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.errors import InvalidInput
from localai.paths import locate, private_dir


def test_one_variable_puts_everything_under_one_folder(tmp_path: Path) -> None:
    paths = locate({"LOCALAI_HOME": str(tmp_path)})
    for place in (
        paths.config_file,
        paths.database,
        paths.models_dir,
        paths.logs_dir,
        paths.kv_dir,
    ):
        assert tmp_path in place.parents


def test_a_home_too_deep_for_a_socket_gets_a_runtime_folder_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90)
    runtime = locate({"LOCALAI_HOME": str(deep)}).runtime_dir
    assert deep not in runtime.parents
    assert runtime == locate({"LOCALAI_HOME": str(deep)}).runtime_dir
    assert len(str(runtime / ("0" * 16) / "engine.sock")) < 104


def test_a_private_folder_is_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True, mode=0o755)
    assert private_dir(folder).stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_says_which(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot use the folder"):
        private_dir(tmp_path / "file" / "folder")

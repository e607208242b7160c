"""Where things are kept."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai import paths as paths_module
from localai.engine.worker_files import all_files, files_for
from localai.errors import InvalidInput
from localai.paths import locate, private_dir
from tests.support.command import RunLocalai
from tests.support.users import NOBODY, error_without_rights

pytestmark = pytest.mark.real_process


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


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder like /tmp: everybody may make something in it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o1777)
        yield folder


def test_a_folder_of_root_is_not_ones_own(shared_folder: Path) -> None:
    owned = shared_folder / "owned"
    owned.mkdir(mode=0o777)
    owned.chmod(0o777)
    if os.getuid() == 0:
        assert "belongs to another user" in error_without_rights(lambda: private_dir(owned))
        os.chown(owned, NOBODY, NOBODY)
    else:
        owned = Path("/tmp")
    with pytest.raises(InvalidInput, match="belongs to another user"):
        private_dir(owned)


def test_a_link_is_followed_only_if_it_is_ones_own(shared_folder: Path) -> None:
    (shared_folder / "disk").mkdir()
    link = shared_folder / "models"
    link.symlink_to(shared_folder / "disk")
    assert stat.S_IMODE(private_dir(link).stat().st_mode) == 0o700
    (shared_folder / "disk").chmod(0o755)
    if os.getuid() != 0:
        pytest.skip("giving a link to another user takes root")
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(InvalidInput, match="belongs to another user"):
        private_dir(link)
    assert stat.S_IMODE((shared_folder / "disk").stat().st_mode) == 0o755


def test_the_folder_of_the_sockets_is_no_link(localai_home: Path, tmp_path: Path) -> None:
    paths = locate()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (elsewhere / ("0" * 16)).mkdir(mode=0o700)
    paths.runtime_dir.symlink_to(elsewhere)
    with pytest.raises(InvalidInput, match="is a link"):
        files_for(paths, "llamacpp", "model.gguf")
    assert all_files(paths) == []


def test_what_others_may_enter_holds_no_worker(localai_home: Path) -> None:
    paths = locate()
    folder = files_for(paths, "llamacpp", "model.gguf").directory
    assert [files.directory for files in all_files(paths)] == [folder]
    paths.runtime_dir.chmod(0o755)
    assert all_files(paths) == []


def test_where_all_may_write_nobody_can_guess_the_runtime_folder(
    shared_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(shared_folder))
    home = {"LOCALAI_HOME": str(shared_folder / ("d" * 90)), "XDG_RUNTIME_DIR": "/nowhere"}
    runtime = _runtime_of_new_process(home)
    assert runtime.parent == shared_folder
    assert runtime != _runtime_of_new_process(home)
    # Somebody else's is not taken, however it is called; one's own is found by the next process.
    begin = runtime.name.rpartition("-")[0]
    (shared_folder / f"{begin}-0000").mkdir(mode=0o755)
    (shared_folder / f"{begin}-0001").symlink_to(shared_folder)
    private_dir(runtime)
    assert _runtime_of_new_process(home) == runtime


def test_a_folder_that_is_only_this_users_is_preferred(
    shared_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(shared_folder))
    own = shared_folder / "own"
    own.mkdir(mode=0o700)
    home = {"LOCALAI_HOME": str(shared_folder / ("d" * 90)), "XDG_RUNTIME_DIR": str(own)}
    assert locate(home).runtime_dir.parent == own


@pytest.mark.parametrize("private", [True, False], ids=["private", "shared"])
@pytest.mark.parametrize("user_bytes", [3, 60, 200])
def test_a_socket_is_within_macos_limit_wherever_the_temporary_folder_is(
    monkeypatch: pytest.MonkeyPatch, user_bytes: int, private: bool
) -> None:
    """$TMPDIR of macOS has 48 bytes, and a Unix socket's path 103 at most."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="T") as short:
        temporary = Path(short) / ("x" * (48 - 1 - len(short)))
        temporary.mkdir(mode=0o700 if private else 0o777)
        if not private:
            temporary.chmod(0o777)
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        assert len(str(temporary)) == 48
        home = Path(short) / ("u" * user_bytes) / "Library" / "Caches" / "localai"
        environ = {"LOCALAI_HOME": str(home), "XDG_RUNTIME_DIR": ""}
        runtime = _runtime_of_new_process(environ)
        with socket.socket(socket.AF_UNIX) as listening:
            private_dir(runtime / ("0" * 16))
            path = str(runtime / ("0" * 16) / "engine.sock")
            assert len(path) <= 103
            listening.bind(path)
        if runtime.parent == Path("/tmp"):
            shutil.rmtree(runtime)


def _runtime_of_new_process(environ: dict[str, str]) -> Path:
    paths_module._random_name.cache_clear()
    return locate(environ).runtime_dir


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")
@pytest.mark.parametrize("name", ["config.toml", "templates/mine.toml", "link"])
def test_what_another_user_wrote_does_not_decide_where_prompts_go(
    run_localai: RunLocalai, localai_home: Path, tmp_path: Path, name: str
) -> None:
    (localai_home / "templates").mkdir(parents=True)
    (localai_home / "templates" / "mine.toml").write_text('prompt = "hello"\n')
    foreign = tmp_path / "foreign.toml" if name == "link" else localai_home / name
    foreign.touch()
    if name == "link":
        (localai_home / "config.toml").symlink_to(foreign)
    os.chown(foreign, 65534, 65534)
    command = ("template", "show", "mine") if name.startswith("templates") else ("config", "list")
    refused = run_localai(*command)
    assert refused.returncode == 2
    assert b"belongs to another user" in refused.stderr

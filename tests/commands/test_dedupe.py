"""`localai dedupe`: really links, never across a permission border, and every program still finds
its file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import COMMAND, RunLocalai
from tests.support.ollama import OllamaServer, start_ollama
from tests.support.terminal import Terminal
from tests.support.weights import require

STOPPED = {"OLLAMA_HOST": "127.0.0.1:9"}
LM_STUDIO = ".lmstudio/models/maker/SmolLM2-GGUF/smol-Q4_1.gguf"


@pytest.fixture
def copies(
    localai_home: Path, command_environment: dict[str, str], shortened_path: Path
) -> tuple[Path, Path]:
    """Two copies of a model of few layers: in our own store and in LM Studio's."""
    files = (
        localai_home / "data/models/mine.gguf",
        Path(command_environment["HOME"]) / LM_STUDIO,
    )
    for file in files:
        file.parent.mkdir(parents=True)
        shutil.copyfile(shortened_path, file)
        file.chmod(0o644)
    return files


@pytest.fixture(scope="module")
def daemon(
    tmp_path_factory: pytest.TempPathFactory, shortened_path: Path
) -> Iterator[OllamaServer]:
    home = tmp_path_factory.mktemp("ollama-dedupe")
    with start_ollama(require("ollama"), home) as server:
        (home / "Modelfile").write_text(f"FROM {shortened_path}\n")
        server.run("create", "smol", "--file", home / "Modelfile")
        yield server


def deduped(run_localai: RunLocalai, *arguments: str, **env: str) -> dict[str, Any]:
    result = run_localai("dedupe", "--json", *arguments, env={**STOPPED, **env})
    assert result.returncode == 0, result.stdout
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_two_copies_become_one_file(copies: tuple[Path, Path], run_localai: RunLocalai) -> None:
    ours, theirs = copies
    blocks = theirs.stat().st_blocks * 512
    document = deduped(run_localai, "--yes")
    assert document["freed_bytes"] == blocks
    assert ours.samefile(theirs)
    assert ours.stat().st_nlink == 2
    assert [file.name for file in theirs.parent.iterdir()] == [theirs.name]
    answer = run_localai("chat", "-m", f"llamacpp/{theirs}", "-n", "--max-tokens", "2", "Hi")
    assert answer.returncode == 0
    again = deduped(run_localai, "--yes")
    assert (again["duplicates"], again["freed_bytes"]) == ([], 0)


def test_ollama_serves_the_model_afterwards(
    copies: tuple[Path, Path], run_localai: RunLocalai, daemon: OllamaServer
) -> None:
    [blob] = [b for b in (daemon.models / "blobs").iterdir() if b.stat().st_size > 1 << 20]
    blob.chmod(0o644)
    env = {"OLLAMA_MODELS": str(daemon.models)}
    document = deduped(run_localai, "--yes", **env)
    # Two copies of the same bytes may take a few blocks more or less.
    assert document["freed_bytes"] == pytest.approx(2 * blob.stat().st_size, rel=0.01)
    assert len({file.stat().st_ino for file in (*copies, blob)}) == 1
    body = {"model": "smol", "prompt": "Hi", "stream": False, "options": {"num_predict": 2}}
    assert daemon.post("/api/generate", body)["response"]


def test_what_a_process_has_open_is_left_alone(
    copies: tuple[Path, Path], run_localai: RunLocalai
) -> None:
    with copies[0].open("rb"), copies[1].open("rb"):
        [duplicate] = deduped(run_localai, "--yes")["duplicates"]
    [refused] = duplicate["refused"]
    assert f"(pid {os.getpid()})" in refused["reason"]
    assert not copies[0].samefile(copies[1])


def test_dry_run_and_list_change_nothing(
    copies: tuple[Path, Path], run_localai: RunLocalai
) -> None:
    assert deduped(run_localai, "--dry-run")["freed_bytes"] > 45_000_000
    listed = run_localai("list", "--duplicates", env=STOPPED)
    assert listed.stdout.startswith(b"49.6 MB, 2 times")
    assert b"localai dedupe would free" in listed.stderr
    assert not copies[0].samefile(copies[1])


def test_other_permissions_are_a_border(copies: tuple[Path, Path], run_localai: RunLocalai) -> None:
    copies[0].chmod(0o600)
    [duplicate] = deduped(run_localai, "--yes")["duplicates"]
    assert duplicate["linked"] == []
    assert "permissions differ" in duplicate["refused"][0]["reason"]
    assert not copies[0].samefile(copies[1])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_another_owner_is_a_border(copies: tuple[Path, Path], run_localai: RunLocalai) -> None:
    os.chown(copies[1], 1234, 1234)
    [duplicate] = deduped(run_localai, "--yes")["duplicates"]
    assert "owner or group differs" in duplicate["refused"][0]["reason"]
    assert copies[1].stat().st_uid == 1234


def test_the_same_size_is_not_the_same(copies: tuple[Path, Path], run_localai: RunLocalai) -> None:
    with copies[1].open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    assert deduped(run_localai, "--yes")["duplicates"] == []
    with copies[1].open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(last)
    assert len(deduped(run_localai, "--yes")["duplicates"]) == 1


def test_an_adopted_file_is_the_users_own(
    copies: tuple[Path, Path], run_localai: RunLocalai, tmp_path: Path, shortened_path: Path
) -> None:
    copies[0].unlink()
    mine = tmp_path / "mine.gguf"
    shutil.copyfile(shortened_path, mine)
    mine.chmod(0o644)
    assert run_localai("pull", "./mine.gguf").returncode == 0
    [duplicate] = deduped(run_localai, "--yes")["duplicates"]
    assert (duplicate["linked"], duplicate["freed_bytes"]) == ([], 0)
    assert mine.stat().st_nlink == copies[1].stat().st_nlink == 1
    listed = run_localai("list", "--duplicates", env=STOPPED)
    assert b"stays  " in listed.stdout
    assert f"{mine} is your own file".encode() in listed.stdout
    assert b"localai dedupe would free" not in listed.stderr


def test_a_person_is_asked(copies: tuple[Path, Path], pty: Callable[..., Terminal]) -> None:
    terminal = pty("dedupe", columns=60, env=STOPPED)
    terminal.wait_for("[y/N]")
    assert "stays  mine (localai)" in terminal.screen
    terminal.send("y\r")
    assert terminal.wait_exit() == 0
    assert copies[0].samefile(copies[1])


def test_without_a_person_it_has_to_be_confirmed(
    copies: tuple[Path, Path], run_localai: RunLocalai
) -> None:
    result = run_localai("dedupe", env=STOPPED)
    assert result.returncode == 2
    assert b"localai dedupe --yes" in result.stderr
    assert not copies[0].samefile(copies[1])


def test_a_kill_before_the_rename_leaves_both_files_whole(
    copies: tuple[Path, Path], command_environment: dict[str, str], run_localai: RunLocalai
) -> None:
    killed = (
        "import os, signal, sys; from pathlib import Path\n"
        "replace = Path.replace\n"
        "def dying(self, target):\n"
        "    if 'dedupe' in self.name: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return replace(self, target)\n"
        "Path.replace = dying\n"
        "from localai.cli import main; main(sys.argv[1:])"
    )
    command = [COMMAND[0], "-c", killed, "dedupe", "--yes"]
    died = subprocess.run(command, env={**command_environment, **STOPPED}, check=False)
    assert died.returncode == -signal.SIGKILL
    assert copies[0].read_bytes() == copies[1].read_bytes()
    assert deduped(run_localai, "--yes")["duplicates"] != []
    assert copies[0].samefile(copies[1])

"""A command in a fork is what it is in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import COMMAND
from tests.support.fork_server import REAL_PROCESSES, ForkServer

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="forks serve on Linux alone")

SAY = ("chat", "-m", "robot/r2", "-n")


@pytest.fixture
def environment(
    command_environment: dict[str, str], robot_environment: dict[str, str]
) -> dict[str, str]:
    return {**command_environment, **robot_environment}


@pytest.mark.parametrize(
    ("arguments", "typed"),
    [
        (("--version",), None),
        (("list",), None),
        (("list", "--json", "--nothing"), None),
        ((*SAY, "say wörds \udce9"), None),
        ((*SAY, "say more"), None),
        ((*SAY, "say"), "words\r\n" * 40_000),
        ((*SAY, "refuse"), None),
        ((*SAY, "shout words"), None),
        (("config", "set", "no-such", "value"), None),
    ],
)
def test_it_says_and_ends_as_a_process_does(
    fork_server: ForkServer,
    environment: dict[str, str],
    tmp_path: Path,
    arguments: tuple[str, ...],
    typed: str | None,
) -> None:
    text = None if typed is None else typed.encode()
    forked = fork_server.run(arguments, input=text, env=environment, cwd=tmp_path, timeout_s=60)
    real = subprocess.run(
        [*COMMAND, *arguments],
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        real.returncode,
        real.stdout,
        real.stderr,
    )
    assert forked.stdout + forked.stderr


def test_one_that_takes_too_long_is_ended(
    fork_server: ForkServer, environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "asked"
    own = {**environment, "ROBOT_LOG": str(log)}
    with pytest.raises(subprocess.TimeoutExpired) as late:
        fork_server.run((*SAY, "pause words"), input=None, env=own, cwd=tmp_path, timeout_s=3)
    assert late.value.cmd == ["localai", *SAY, "pause words"]


def test_what_is_read_only_when_a_process_starts_is_not_left_to_a_fork(
    fork_server: ForkServer,
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(REAL_PROCESSES, raising=False)
    assert fork_server.can_run(["list"], environment, tmp_path)
    for name in ("PYTHONUTF8", "LC_ALL", "LANG", "TZ", "PYTHONIOENCODING"):
        assert not fork_server.can_run(["list"], {**environment, name: "C"}, tmp_path)
    without = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    assert not fork_server.can_run(["list"], without, tmp_path)
    assert not fork_server.can_run(["chat", "a\0b"], environment, tmp_path)
    assert not fork_server.can_run(["list"], environment, tmp_path / "none")
    monkeypatch.setenv(REAL_PROCESSES, "1")
    assert not fork_server.can_run(["list"], environment, tmp_path)


def test_nothing_that_must_be_imported_late_is_there_nor_a_thread() -> None:
    probe = (
        "import sys, os; from tests.support import fork_server; fork_server._import_all();"
        "print(len(os.listdir('/proc/self/task')), *sys.modules)"
    )
    threads, *modules = subprocess.check_output([sys.executable, "-c", probe], text=True).split()
    assert threads == "1"
    late = {"anthropic", "huggingface_hub", "numpy", "ollama", "openai", "pytest", "xllamacpp"}
    assert late & set(modules) == set()
    assert "typer.rich_utils" not in modules
    assert {"localai.commands.chat", "localai.chat.request", "tests.support.robot"} <= set(modules)

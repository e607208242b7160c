"""A home on a disk that is read-only, full or without room for another file."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localai.database import Database
from localai.paths import locate
from localai.stores.starter import starter_path
from localai.types import Message
from tests.support.command import RunLocalai

pytestmark = pytest.mark.real_process

ASK = ("-m", "starter", "--max-tokens", "3", "Hi.")


@pytest.fixture
def disk(localai_home: Path, laconic_path: Path) -> Iterator[Callable[[str], None]]:
    """A small disk of its own at the home, with the starter and a conversation; what the test calls
    mounts it anew with other options."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(localai_home)]
    if os.getuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user cannot mount a small disk")
    paths = locate()
    starter_path(paths).parent.mkdir(parents=True)
    starter_path(paths).symlink_to(laconic_path)
    database = Database(paths.database)
    conversation = database.create_conversation()
    database.add_message(conversation, None, Message("user", "Xanadu"), finish_reason="stop")
    database.close()

    def change(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", localai_home], check=True)

    yield change
    subprocess.run(["umount", "-l", localai_home], check=True)


def test_a_read_only_home_is_read_and_answers(
    run_localai: RunLocalai, disk: Callable[[str], None]
) -> None:
    disk("ro")
    try:
        answered = run_localai("chat", "-n", *ASK)
        assert answered.returncode == 0, answered.stderr
        assert answered.stdout.strip()
        assert b"Xanadu" in run_localai("history", "search", "xanadu").stdout
        for command in (("history", "list"), ("privacy",), ("list",), ("config", "list")):
            done = run_localai(*command)
            assert done.returncode == 0, done.stderr
        refused = run_localai("config", "set", "chat.max_tokens", "9")
        assert refused.returncode in (2, 9)
        assert b"bug" not in refused.stderr
    finally:
        run_localai("stop", "--all")
        disk("rw")


def test_an_engine_that_finds_no_room_says_that_the_disk_is_full(
    run_localai: RunLocalai, localai_home: Path, disk: Callable[[str], None]
) -> None:
    filler = localai_home / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            file.truncate(file.tell() - 8192)
    done = run_localai("chat", "-n", *ASK)
    assert done.returncode == 7, done.stderr
    filler.unlink()
    assert run_localai("chat", "-n", *ASK).returncode == 0

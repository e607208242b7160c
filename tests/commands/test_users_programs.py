"""Ctrl-C while the user's own editor or pager has the terminal: it is that program's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from localai.database import Database
from localai.paths import locate
from localai.types import Message
from tests.support.terminal import Terminal

pytestmark = pytest.mark.real_process

_HEARS = """#!/bin/sh
[ $# = 0 ] && cat > /dev/null
trap 'echo heard' INT
echo ready
while [ ! -e "$0.go" ]; do sleep 0.1; done
[ $# = 0 ] || echo '# edited' >> "$1"
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """An editor, or a pager, that stays until its `.go` is there, whatever is pressed."""
    file = tmp_path / "program"
    file.write_text(_HEARS)
    file.chmod(0o755)
    return file


def _pressed(terminal: Terminal, program: Path) -> int | None:
    terminal.wait_for("ready")
    terminal.send("\x03")
    terminal.wait_for("heard")
    program.with_name("program.go").touch()
    return terminal.wait_exit()


def test_an_editor_keeps_its_text(pty: Callable[..., Terminal], program: Path) -> None:
    editing = pty("config", "edit", env={"EDITOR": str(program), "VISUAL": None})
    assert _pressed(editing, program) == 0
    assert "# edited" in locate().config_file.read_text()


def test_a_pager_stays_open(pty: Callable[..., Terminal], program: Path) -> None:
    database = Database(locate().database)
    conversation = database.create_conversation()
    database.add_message(conversation, None, Message("user", "1\n" * 80), finish_reason="stop")
    database.close()
    shown = pty("history", "show", conversation, env={"PAGER": str(program)})
    assert _pressed(shown, program) == 0

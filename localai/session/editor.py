"""Writing a question in the user's editor."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from localai.errors import InvalidInput
from localai.output.terminal import is_terminal
from localai.privacy.environment import child_environment
from localai.privacy.guard import child
from localai.signals import ctrl_c_left_to_child

_OTHERWISE = "vi"


def edit_text(text: str) -> str:
    """`text` after the user has changed it in $VISUAL, $EDITOR or vi. The editor's file is this
    user's alone, and is removed afterwards.

    Raises InvalidInput if the editor cannot be started or fails.
    """
    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not chosen and not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        raise InvalidInput(
            f"{_OTHERWISE} needs a terminal",
            hint="an editor that needs none can be named by $EDITOR",
        )
    command = chosen or _OTHERWISE
    descriptor, name = tempfile.mkstemp(prefix="localai-", suffix=".md")
    file = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
        _run(command, file)
        return file.read_text(encoding="utf-8", errors="replace").rstrip("\n")
    finally:
        file.unlink(missing_ok=True)


def _run(command: str, file: Path) -> None:
    try:
        words = shlex.split(command)
        with child("the user's own editor"), ctrl_c_left_to_child():
            code = subprocess.call([*words, str(file)], env=child_environment("editor"))
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"cannot start the editor {command!r}: {error}", command="export EDITOR=nano"
        ) from error
    if code:
        raise InvalidInput(f"the editor {command!r} ended with {code}")

"""Commands that get or build something: silent, unless they fail."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

LINES_OF_OUTPUT = 30


class CommandFailed(Exception):
    """A command ended with an error; the text has the end of what it printed."""


def run(
    command: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run `command` without input. Raises CommandFailed, also where there is no such command."""
    name = " ".join(map(str, command[:4]))
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise CommandFailed(f"{name}: {error}") from error
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-LINES_OF_OUTPUT:])
        raise CommandFailed(f"{name} ended with {done.returncode}:\n{tail}")

"""How a detection reads the system: files that may be missing, programs that may hang."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final, Literal

from localai.dataclass import dataclass
from localai.units import whole_number

# A faulty driver lets its tool hang for minutes; a healthy one answers well within this.
PROGRAM_TIME_LIMIT_S: Final = 5.0
_LONGEST_TEXT: Final = 4 << 20


def read_text(path: Path) -> str | None:
    """The content of the file at `path`; None if it is missing, unreadable or no text."""
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_TEXT).decode("utf-8", "replace")
    except OSError:
        return None


def read_integer(path: Path) -> int | None:
    """The number in the file at `path`; None if there is none."""
    return whole_number((read_text(path) or "").strip())


@dataclass(frozen=True, slots=True)
class ProgramOutcome:
    """How a program ended. `status` and `output` (both streams) are set only if it `exited`."""

    ended: Literal["exited", "hangs", "absent"]
    status: int | None = None
    output: str = ""


def run_program(*command: str) -> tuple[int, str] | None:
    """The exit status and the output (both streams) of a program of the system, run without a
    shell.

    None if it is not installed or did not end within `PROGRAM_TIME_LIMIT_S` seconds.
    """
    answer = ask_program(*command)
    return None if answer.status is None else (answer.status, answer.output)


def ask_program(*command: str, limit_s: float = PROGRAM_TIME_LIMIT_S) -> ProgramOutcome:
    """Like `run_program`, within `limit_s`. The outcome tells a program that hangs from one that is
    absent."""
    import subprocess

    from localai.privacy.environment import child_environment
    from localai.privacy.guard import child

    program = shutil.which(command[0])
    if program is None:
        return ProgramOutcome("absent")
    with child(f"ask {command[0]} about this machine"):
        try:
            result = subprocess.run(
                [program, *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=limit_s,
                check=False,
                env=child_environment() | {"LC_ALL": "C"},
            )
        except subprocess.TimeoutExpired:
            return ProgramOutcome("hangs")
        except OSError:
            return ProgramOutcome("absent")
    return ProgramOutcome("exited", result.returncode, result.stdout.decode("utf-8", "replace"))

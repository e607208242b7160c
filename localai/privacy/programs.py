"""The guard's judges of programs. A child has no hook, so no program starts unless this thread may
start one: Popen, os.system, exec, posix_spawn, multiprocessing's spawn.

`os.fork` is permitted: the copy has the hook, and an exec in it is judged. A sub-interpreter would
have no hook and is refused.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from localai.errors import ProgramRefused
from localai.privacy.exact import text_of


class _OfThread(threading.local):
    children_allowed = 0


of_thread = _OfThread()


def judge_program(program: Any, *_: Any) -> None:
    """Judge starting the program at a path."""
    _judge_start(text_of(program))


def judge_arguments(arguments: Any, *_: Any) -> None:
    """Judge starting the program that a list of arguments begins with."""
    _judge_start(text_of(arguments[0]) if arguments else "")


def judge_shell(command: Any) -> None:
    """Judge giving `command` to a shell."""
    # The first word names the program; the rest may hold secrets, which no message should show.
    _judge_start(text_of(command).partition(" ")[0])


def judge_popen(executable: Any, arguments: Any, *_: Any) -> None:
    """Judge subprocess.Popen. With a shell, the command is the third argument."""
    words = [arguments] if isinstance(arguments, str | bytes | os.PathLike) else list(arguments)
    if len(words) > 2 and words[0] == "/bin/sh" and words[1] == "-c":
        judge_shell(words[2])
    else:
        _judge_start(text_of(executable if executable is not None else words[0]))


def judge_interpreter(*_: Any) -> None:
    """Refuse to make a sub-interpreter."""
    raise ProgramRefused(
        "refused by the privacy policy: start a sub-interpreter, which no guard would see"
    )


def _judge_start(program: str) -> None:
    if of_thread.children_allowed:
        return
    raise ProgramRefused(
        f"refused by the privacy policy: start the program {program!r}",
        hint="a program is not under localai's guard: run it yourself, in a shell, if you want it",
    )

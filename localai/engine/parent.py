"""A child process that ends with the command that started it, however the command ends.

The command gives the child a pipe as its standard input and writes nothing into it, so the pipe
ends with the command. The kernel closes it on every system, also after SIGKILL. While llama.cpp
loads it holds the interpreter's lock, and no Python thread could notice the end. So a second
process, forked before anything is loaded, waits for the end and kills the first.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable

_LOOK_EVERY_MS = 1000


def end_with_parent() -> Callable[[], None]:
    """From now on this process is killed as soon as its standard input, a pipe, has ended.

    Call it before anything else: the watching process would inherit a lock that is held already,
    and a process with threads must not fork. Returns a function that ends the watch: the process
    then outlives its parent.
    """
    if _has_ended(0):
        os._exit(1)
    watched = os.getpid()
    watcher = os.fork()
    if watcher == 0:
        _watch(watched)

    def go_on_alone() -> None:
        os.kill(watcher, signal.SIGKILL)
        os.waitpid(watcher, 0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)

    return go_on_alone


def _watch(watched: int) -> None:
    """Kill the process `watched` once the pipe has ended, then exit. Does not return."""
    try:
        # Close our copies of its output, else its reader waits for us.
        os.closerange(1, 256)
        while os.getppid() == watched:
            if _has_ended(_LOOK_EVERY_MS):
                if os.getppid() == watched:
                    os.kill(watched, signal.SIGKILL)
                break
    finally:
        os._exit(0)


def _has_ended(timeout_ms: int) -> bool:
    """Whether the writing end of standard input is closed, waiting up to `timeout_ms`."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    return bool(poll.poll(timeout_ms)) and not os.read(0, 1)

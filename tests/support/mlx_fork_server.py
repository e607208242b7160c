"""Forks for MLX's workers, in MLX's own interpreter; standard input is the socket that listens.

See `mlx_forks`. The server computes nothing: it would get threads, which a fork does not have.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path


def main() -> None:
    """Serve; in the forks, run what was asked for."""
    _import_all()
    gc.collect()
    gc.freeze()
    connection = _next_connection()
    _, files, _, _ = socket.recv_fds(connection, 1, 4)
    pid = os.fork()
    if pid:
        _watch(pid, connection)
    connection.close()
    module, *sys.argv[1:] = _become(files)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _import_all() -> None:
    import mlx_lm  # noqa: F401

    threads = list(Path("/proc/self/task").iterdir())
    assert len(threads) == 1, "a fork would lack what the others do"


def _next_connection() -> socket.socket:
    """Returns in a process of its own for each."""
    listener = socket.socket(fileno=os.dup(0))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return connection
        connection.close()


def _watch(pid: int, connection: socket.socket) -> None:
    """Say how the fork ended, or kill it with its stand-in. Does not return."""
    poll = select.poll()
    poll.register(process := os.pidfd_open(pid), select.POLLIN)
    poll.register(connection, select.POLLIN)
    if process not in dict(poll.poll()):
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(OSError):
        connection.send(b"%d" % code)
    os._exit(0)


def _become(files: list[int]) -> list[str]:
    """Take the streams, the environment and the folder of what was asked; its words."""
    *streams, asked = files
    words, environment, folder = json.loads(os.pread(asked, os.fstat(asked).st_size, 0))
    for number, each in enumerate(streams):
        os.dup2(each, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    own: list[str] = words
    return own


if __name__ == "__main__":
    main()

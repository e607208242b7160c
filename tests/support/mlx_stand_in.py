"""`python mlx_stand_in.py INTERPRETER SERVER ARGUMENTS`: what `INTERPRETER ARGUMENTS` does.

See `mlx_forks`. Imports nothing that takes time, and nothing of this repository.
"""

import json
import os
import signal
import socket
import sys


def main(interpreter: str, server: str, *arguments: str) -> None:
    """Have the server fork for a module of localai, and end as the fork does; else exec."""
    if arguments[:2] != ("-P", "-m") or not arguments[2].startswith("localai.engine.mlx."):
        os.execv(interpreter, [interpreter, *arguments])
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(server)
    asked = os.memfd_create("asked")
    os.write(asked, json.dumps([arguments[2:], dict(os.environ), os.getcwd()]).encode())  # noqa: PTH109
    socket.send_fds(connection, [b"r"], [0, 1, 2, asked])
    # Whoever waits for the end of these waits for the fork's.
    os.closerange(0, 3)
    code = int(connection.recv(64) or 1)
    if code < 0:
        if code != -signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])

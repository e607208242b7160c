"""Run a Python program that can reach this machine alone: `python offline.py PROGRAM …`.

Each connection and each look-up of another machine is refused and written down: the name of the
file for that is in REFUSED_FILE.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from typing import Any

HERE = ("127.0.0.1", "localhost", "::1")


def judge(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse what leaves this machine."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if host not in HERE:
        with Path(os.environ["REFUSED_FILE"]).open("a") as file:
            file.write(f"{host}\n")
        raise OSError(f"no network: {host}")


sys.addaudithook(judge)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")

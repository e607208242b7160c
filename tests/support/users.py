"""What another user of the machine would see and do: needs a test that runs as root."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from localai.errors import LocalaiError

NOBODY = 65534


def error_without_rights(action: Callable[[], object]) -> str:
    """The error that `action` ends with when it is run by a user without rights."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        with os.fdopen(writing, "w") as pipe, contextlib.suppress(BaseException):
            if os.getuid() == 0:
                os.setuid(NOBODY)
            try:
                action()
            except LocalaiError as error:
                pipe.write(f"{error.message}\n{error.hint}\n{error.command}")
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        return pipe.read()

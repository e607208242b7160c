"""How long a chat template may take. A process in which one takes longer is ended."""

from __future__ import annotations

import contextlib
import faulthandler
from collections.abc import Iterator
from typing import Final

LONGEST_TEMPLATE_S: Final = 60.0
"""Real templates render a megabyte of conversation in a tenth of a second."""


@contextlib.contextmanager
def ending_process_after(seconds: float) -> Iterator[None]:
    """End this process if the block takes longer, also if it holds the interpreter's lock: nothing
    else stops an endless template. The log then has the place in the code, but none of the
    input."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()

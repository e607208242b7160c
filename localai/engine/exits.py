"""How a process ended, in words. Pure."""

from __future__ import annotations

import signal
from typing import Final

KILLED: Final = "it was killed (out of memory?)"
_SIGNALS: Final = {
    signal.SIGKILL: KILLED,
    signal.SIGILL: "it came to an instruction that this processor lacks",
    signal.SIGSEGV: "it reached for memory that it does not have",
    signal.SIGBUS: "a part of a file that it had open is gone, or cannot be read",
    signal.SIGSYS: "its sandbox forbids a call to the system that it made",
}


def ended_by(status: int) -> str | None:
    """The signal that a process ended by, in words, of the status that `subprocess` gives; None for
    one that ended by itself or aborted: its own last words say more."""
    words = _SIGNALS.get(signal.Signals(-status)) if _is_signal(-status) else None
    return None if words is None else words if words is KILLED else f"{words} (signal {-status})"


def _is_signal(number: int) -> bool:
    return number in set(signal.Signals)

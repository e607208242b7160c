"""The load of the processor by other programs. Speeds measured under it are those of a busy
machine.

Linux reports it (pressure stall information); on other systems it is unknown.
"""

from __future__ import annotations

from pathlib import Path

BUSY_PERCENT = 10.0
"""A machine that only runs this waits less than that for a processor."""


def waiting_percent(file: Path = Path("/proc/pressure/cpu")) -> float | None:
    """The share of the last ten seconds in which a program waited for a processor, in percent; None
    if the system does not say."""
    try:
        first = file.read_text().partition("\n")[0]
    except OSError:
        return None
    for field in first.split():
        name, _, value = field.partition("=")
        if name == "avg10":
            try:
                return float(value)
            except ValueError:
                return None
    return None

"""Pauses before a request is tried again, for answers and downloads, and the statuses that call for
it.

This module owns both, and the attempts at an answer while a provider is busy: their number is
bounded, and the user sees each pause. The code that raises `Busy` decides which failures are worth
another attempt. For a download, `fetch.transfer` counts the attempts, anew with every byte that
arrives.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Mapping
from typing import Final, TypeVar

from localai.errors import LocalaiError
from localai.events import Event, Loading

BUSY_STATUSES: Final[Mapping[int, str]] = {
    429: "rate limited",
    503: "not ready",
    529: "overloaded",
}
"""The HTTP statuses of a server that may answer later, in words: a question is sent again."""
PASSING_STATUSES: Final = frozenset({*BUSY_STATUSES, 408, 425, 500, 502, 504})
"""The HTTP statuses after which a download goes on with another request."""
ATTEMPTS = 4
# The longest sum of all pauses of one question; a longer wait is an error instead.
LONGEST_WAIT_S = 120.0
_FIRST_PAUSE_S = 1.0

Result = TypeVar("Result")


class Busy(Exception):
    """A provider's request to try again later, after `retry_after_s` seconds if it says so.
    `final` is the error to raise if waiting does not help."""

    def __init__(self, reason: str, final: LocalaiError, retry_after_s: float | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final
        self.retry_after_s = retry_after_s


def retry_while_busy(
    attempt: Callable[[], Result], sleep: Callable[[float], None] = time.sleep
) -> Generator[Event, None, Result]:
    """Yield a countdown while the provider is busy. Return what `attempt` returns.

    Raises `Busy.final` after four attempts, or as soon as the sum of the pauses would exceed two
    minutes.
    """
    waited_s = 0.0
    for number in range(1, ATTEMPTS + 1):
        try:
            return attempt()
        except Busy as busy:
            pause_s = busy.retry_after_s
            if pause_s is None:
                pause_s = growing_pause_s(number - 1, first_s=_FIRST_PAUSE_S)
            if number == ATTEMPTS or waited_s + pause_s > LONGEST_WAIT_S:
                if busy.final.hint is None and pause_s > LONGEST_WAIT_S - waited_s:
                    busy.final.hint = f"try again in {pause_s:,.0f} s"
                raise busy.final from busy
            reason = busy.reason
        yield from _countdown(reason, pause_s, sleep)
        waited_s += pause_s
    raise AssertionError("the last attempt returns or raises")


def growing_pause_s(failures: int, *, first_s: float, longest_s: float = LONGEST_WAIT_S) -> float:
    """The pause after `failures` earlier pauses, in seconds. Each pause is twice the previous one,
    up to `longest_s`."""
    return min(first_s * 2.0**failures, longest_s)


def _countdown(
    reason: str, pause_s: float, sleep: Callable[[float], None]
) -> Generator[Event, None, None]:
    left_s = pause_s
    while left_s > 0:
        yield Loading(f"{reason}: retrying in {math.ceil(left_s)} s", 1 - left_s / pause_s)
        step_s = min(1.0, left_s)
        sleep(step_s)
        left_s -= step_s


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The seconds that a refusal's headers ask to wait; None if they do not say.

    It reads `retry-after-ms`, and `retry-after` as seconds or as an HTTP date (RFC 9110, 10.2.3).
    `headers` must find names in any case, as the messages of `http.client` and httpx do.
    """
    for name, seconds in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            value = float(headers.get(name) or "") * seconds
        except ValueError:
            continue
        if math.isfinite(value):
            return max(0.0, value)
    return _until_date(headers.get("retry-after"))


def _until_date(text: str | None) -> float | None:
    if not text:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None

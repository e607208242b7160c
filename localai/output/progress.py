"""Show a download while it runs.

On a terminal one line with amount, rate and time left; elsewhere a line a stage.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Generator, Iterable
from typing import Final, TypeVar

from localai.fetch.plan import Pulled, PullEvent
from localai.output.streams import is_terminal, note, width
from localai.output.units import bytes_text, seconds_text
from localai.progress import Stage, WorkNote, WorkProgress

Result = TypeVar("Result")

_STAGES: Final[dict[Stage, str]] = {
    "waiting": "waiting for another download of it",
    "downloading": "downloading",
    "verifying": "verifying",
    "quantizing": "quantizing",
}
_REDRAW_S: Final = 0.1
# The rate is that of the last seconds: a stalled download must not look fast for minutes.
_RATE_WINDOW_S: Final = 5.0


def show_pull(events: Iterable[PullEvent], *, quiet: bool = False) -> Pulled:
    """Show `events` on stderr as they come, and return the last."""
    line = _ProgressLine(sys.stderr is not None and is_terminal(sys.stderr), quiet=quiet)
    try:
        for event in events:
            if isinstance(event, Pulled):
                return event
            if isinstance(event, WorkNote):
                line.note(event.text)
            else:
                line.show(event)
    finally:
        line.close()
    raise AssertionError("a pull ends with Pulled or an exception")


def show_work(events: Generator[WorkProgress, None, Result], *, quiet: bool = False) -> Result:
    """Show `events` on stderr as they come, and return what the generator returns."""
    line = _ProgressLine(sys.stderr is not None and is_terminal(sys.stderr), quiet=quiet)
    try:
        while True:
            line.show(next(events))
    except StopIteration as end:
        result: Result = end.value
        return result
    finally:
        line.close()


class Rate:
    """Bytes per second over the last seconds, from amounts and when they were seen."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, at_s: float, done_bytes: int) -> None:
        """Note that `done_bytes` were there at `at_s`."""
        self._seen.append((at_s, done_bytes))
        while self._seen[0][0] < at_s - _RATE_WINDOW_S and len(self._seen) > 2:
            self._seen.popleft()

    @property
    def bytes_per_s(self) -> float | None:
        """None until there is something to go by."""
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        return (last - first) / (last_s - first_s) if last > first and last_s > first_s else None


def progress_text(progress: WorkProgress, bytes_per_s: float | None) -> str:
    """One line: stage, amount of total, percent, rate, time left; what is unknown is left out."""
    parts = [_STAGES[progress.stage]]
    total = progress.total_bytes
    if total:
        parts.append(f"{bytes_text(progress.done_bytes)} of {bytes_text(total)}")
        parts.append(f"{min(100, 100 * progress.done_bytes // total)}%")
    elif progress.done_bytes:
        parts.append(bytes_text(progress.done_bytes))
    if bytes_per_s:
        parts.append(f"{bytes_text(round(bytes_per_s))}/s")
        if total and progress.done_bytes < total:
            parts.append(f"{seconds_text((total - progress.done_bytes) / bytes_per_s)} left")
    return "  ".join(parts)


class _ProgressLine:
    def __init__(self, terminal: bool, *, quiet: bool) -> None:
        self._terminal = terminal
        self._quiet = quiet
        self._stage: Stage | None = None
        self._rate = Rate()
        self._drawn_at = 0.0

    def show(self, progress: WorkProgress) -> None:
        if self._quiet:
            return
        new_stage = progress.stage != self._stage
        if new_stage:
            self._stage, self._rate = progress.stage, Rate()
        now = time.monotonic()
        self._rate.add(now, progress.done_bytes)
        if not self._terminal:
            if new_stage:
                amount = f"  {bytes_text(progress.total_bytes)}" if progress.total_bytes else ""
                note(f"{_STAGES[progress.stage]}{amount}")
        elif new_stage or now - self._drawn_at >= _REDRAW_S:
            self._drawn_at = now
            text = progress_text(progress, self._rate.bytes_per_s)[: width() - 1]
            print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        if not self._quiet:
            self.close()
            note(text)

    def close(self) -> None:
        if self._terminal and self._stage is not None:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

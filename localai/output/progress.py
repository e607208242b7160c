"""Show a download while it runs.

On a terminal one line with amount, rate and time left; elsewhere a line a stage.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable
from typing import Final, TypeVar

from localai.fetch.plan import Pulled, PullEvent
from localai.output.output import Output
from localai.progress import Stage, WorkNote, WorkProgress
from localai.units import bytes_text, seconds_text

Result = TypeVar("Result")

_STAGES: Final[dict[Stage, str]] = {
    "waiting": "waiting for another download of it",
    "downloading": "downloading",
    "verifying": "verifying",
    "quantizing": "quantizing",
}
# The rate is that of the last seconds, because a stalled download must not look fast for minutes.
_RATE_WINDOW_S: Final = 5.0


def show_pull(events: Iterable[PullEvent], output: Output) -> Pulled:
    """Show `events` on stderr as they come, and return the last."""
    shown = _Shown(output)
    try:
        for event in events:
            if isinstance(event, Pulled):
                return event
            if isinstance(event, WorkNote):
                output.note(event.text)
            else:
                shown.show(event)
    finally:
        output.end_progress()
    raise AssertionError("a pull ends with Pulled or an exception")


def show_work(events: Generator[WorkProgress, None, Result], output: Output) -> Result:
    """Show `events` on stderr as they come, and return what the generator returns."""
    shown = _Shown(output)
    try:
        while True:
            shown.show(next(events))
    except StopIteration as end:
        result: Result = end.value
        return result
    finally:
        output.end_progress()


class Rate:
    """Bytes per second over the last seconds, from amounts and the times at which they were
    seen."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, at_s: float, done_bytes: int) -> None:
        """Note that `done_bytes` had arrived at `at_s`."""
        self._seen.append((at_s, done_bytes))
        while self._seen[0][0] < at_s - _RATE_WINDOW_S and len(self._seen) > 2:
            self._seen.popleft()

    @property
    def bytes_per_s(self) -> float | None:
        """The rate; None until there are two amounts."""
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        return (last - first) / (last_s - first_s) if last > first and last_s > first_s else None


def progress_text(progress: WorkProgress, bytes_per_s: float | None) -> str:
    """One line: stage, amount of total, percent, rate, time left; an unknown figure is left out."""
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


class _Shown:
    """The stage that is shown, and its rate. A log has each stage once: a model of several files
    comes back to downloading after it has verified the first."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._stage: Stage | None = None
        self._logged: set[Stage] = set()
        self._rate = Rate()

    def show(self, progress: WorkProgress) -> None:
        new_stage = progress.stage != self._stage
        if new_stage:
            self._stage, self._rate = progress.stage, Rate()
        self._rate.add(time.monotonic(), progress.done_bytes)
        if self._output.shows_progress:
            text = progress_text(progress, self._rate.bytes_per_s)
            self._output.progress(text, at_once=new_stage)
        elif progress.stage not in self._logged:
            self._logged.add(progress.stage)
            amount = f"  {bytes_text(progress.total_bytes)}" if progress.total_bytes else ""
            self._output.note(f"{_STAGES[progress.stage]}{amount}")

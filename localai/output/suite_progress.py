"""How far a run of a suite is: on a terminal the live line, elsewhere a line now and then."""

from __future__ import annotations

import time

from localai.compare.names import short_name
from localai.compare.running import Progress
from localai.output.output import Output
from localai.units import seconds_text

_SAY_AGAIN_S = 30.0


class SuiteProgress:
    """Shows progress through `output`."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._said_at = time.monotonic()

    def show(self, progress: Progress) -> None:
        """Show it, if there has been time to read what was shown before."""
        text = progress_text(progress)
        if self._output.shows_progress:
            self._output.progress(text)
        elif time.monotonic() - self._said_at >= _SAY_AGAIN_S:
            self._said_at = time.monotonic()
            self._output.note(text)

    def clear(self) -> None:
        """Take the line away."""
        self._output.end_progress()


def progress_text(progress: Progress) -> str:
    """`12 of 64 · 1 failed · qwen3:8b · 98 tok/s · 34s left`."""
    there = progress.found + progress.done
    parts = [f"{there:,} of {progress.total:,} answers"]
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    if progress.loading:
        parts.append(f"loading {short_name(progress.loading)}")
    elif progress.model:
        parts.append(short_name(progress.model))
    if progress.done and progress.elapsed_s > 0:
        if progress.output_tokens:
            parts.append(f"{progress.output_tokens / progress.elapsed_s:,.0f} tok/s")
        left = (progress.total - there) * progress.elapsed_s / progress.done
        if left >= 1:
            parts.append(f"{seconds_text(left)} left")
    return " · ".join(parts)

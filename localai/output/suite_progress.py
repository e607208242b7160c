"""How far a run of a suite is, in one line. Pure."""

from __future__ import annotations

from localai.compare.names import short_name
from localai.compare.running import Progress
from localai.units import counted, seconds_text


def progress_text(progress: Progress) -> str:
    """`12 of 64 · 1 failed · qwen3:8b · 98 tok/s · 34s left`."""
    there = progress.found + progress.done
    parts = [f"{there:,} of {counted(progress.total, 'answer')}"]
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

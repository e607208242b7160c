"""The progress of a batch and its summary, in one line each. Pure."""

from __future__ import annotations

from localai.batch.progress import Progress
from localai.units import counted, seconds_text


def progress_text(progress: Progress, total: int | None) -> str:
    """`12 of 64 · 1 failed · 8 at a time · 1.5 lines/s · 98 tok/s · 34s left`."""
    there = progress.found + progress.answered + progress.failed
    parts = [f"{there:,}" if total is None else f"{there:,} of {total:,}"]
    if progress.all_failed:
        parts.append(f"{progress.all_failed:,} failed")
    parts.append(f"{progress.concurrency} at a time")
    now = progress.answered + progress.failed
    if now and progress.elapsed_s > 0:
        parts += rates(progress)
        if total is not None and there < total:
            left_s = (total - there) * progress.elapsed_s / now
            parts.append(f"{seconds_text(left_s)} left")
    return " · ".join(parts)


def rates(progress: Progress) -> list[str]:
    """Lines a second and, if the provider counts them, tokens a second of this run."""
    lines = (progress.answered + progress.failed) / progress.elapsed_s
    parts = [f"{lines:,.1f} lines/s" if lines >= 1 else f"{lines * 60:,.1f} lines/min"]
    if progress.output_tokens:
        parts.append(f"{progress.output_tokens / progress.elapsed_s:,.0f} tok/s")
    return parts


def summary_text(progress: Progress) -> str:
    """The results of the run, in one line."""
    parts = [f"{progress.answered:,} answered"]
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    if progress.found:
        of_them = f", {progress.found_failed:,} of them failed" if progress.found_failed else ""
        parts.append(f"{counted(progress.found, 'was', 'were')} there already{of_them}")
    if at_limit := progress.cut - progress.looping:
        parts.append(f"{at_limit:,} cut at their limit of tokens (--max-tokens)")
    if progress.looping:
        parts.append(f"{progress.looping:,} stopped, repeating themselves without end")
    if progress.elapsed_s > 0 and progress.answered:
        parts += [*rates(progress), seconds_text(progress.elapsed_s)]
    return " · ".join(parts)

"""Numbers as a person reads them; an unknown one is a dash, never a zero."""

from __future__ import annotations

UNKNOWN = "–"


def bytes_text(count: int | None) -> str:
    """1,536 as `1.5 kB`: decimal units, as disks and models are sold."""
    if count is None:
        return UNKNOWN
    size = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"


def seconds_text(seconds: float | None) -> str:
    """90 as `1m 30s`."""
    if seconds is None:
        return UNKNOWN
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60}s"
    return f"{whole // 3600}h {whole % 3600 // 60}m"


def count_text(count: int | None) -> str:
    """8192 as `8,192`."""
    return UNKNOWN if count is None else f"{count:,}"

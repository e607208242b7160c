"""Numbers as a person reads them; an unknown one is a dash, never a zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

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


def money_text(dollars: Decimal | None, *, places: int = 4) -> str:
    """An amount in US dollars: `0`, `$0.0021`, `$12.30`; less than `places` can show is `<$0.0001`.

    Clouds charge fractions of a cent: whole cents would show most answers as free.
    """
    if dollars is None:
        return UNKNOWN
    least = 10**-places
    if not dollars:
        return "0"
    return (
        f"<${least:.{places}f}"
        if dollars < least
        else f"${dollars:,.{2 if dollars >= 1 else places}f}"
    )

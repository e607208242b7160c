"""Numbers as a person reads them; an unknown number is a dash, never a zero.

Each quantity has one rule. Sizes of files, downloads, disks and memory are decimal (GB), so that a
model's file can be compared with the memory that it takes and with the label of a disk or a model;
bandwidth is decimal as in every data sheet. A limit that localai sets itself is a power of two and
is given in MiB.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from decimal import Decimal
from localai.patterns import lazy_pattern

UNKNOWN = "–"


def day_and_minute(at: float) -> str:
    """A time, in seconds since the epoch, as `2026-05-01 12:30` here; `?` for one that is none."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return "?"


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


def memory_text(main: int | None, card: int | None) -> str:
    """Main memory, and what graphics cards have of their own: `1.0 GB + 5.3 GB GPU`."""
    return f"{bytes_text(main)} + {bytes_text(card)} GPU" if card else bytes_text(main)


def mebibytes_text(count: int) -> str:
    """A limit of localai's own: 67,108,864 as `64 MiB`."""
    return f"{count >> 20} MiB"


def bandwidth_text(bytes_per_s: float) -> str:
    """1.008e12 as `1,008 GB/s`."""
    return f"{bytes_per_s / 1e9:,.0f} GB/s"


def time_text(seconds: float | None, places: int = 1) -> str:
    """A time that was measured: `1.2 s`, with `places` behind the point; `12 ms` where that would
    show as nothing."""
    if seconds is None:
        return UNKNOWN
    if seconds >= 0.1:
        return f"{seconds:,.{places}f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.0005 or not seconds else "<1 ms"


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


def counted(count: float, noun: str, plural: str | None = None) -> str:
    """A count with its noun: `1 token`, `8,192 tokens`. `plural` is what stands for several where
    it is not the noun with an s: `counted(2, "row is", "rows are")`."""
    number = f"{count:,}" if isinstance(count, int) else f"{count:,g}"
    return f"{number} {noun}" if count == 1 else f"{number} {plural or f'{noun}s'}"


_LEAST_DOLLARS: Final = 0.000001


def money_text(dollars: Decimal | float | None) -> str:
    """An amount in US dollars: `0`, `$12.30`, `$0.1234`, and below a cent two digits: `$0.000020`.

    Clouds charge fractions of a cent: whole cents would show most answers as free.
    """
    if dollars is None:
        return UNKNOWN
    amount = float(dollars)
    if not amount:
        return "0"
    if amount >= 0.01:
        return f"${amount:,.{2 if amount >= 1 else 4}f}"
    if amount < _LEAST_DOLLARS:
        return f"<${_LEAST_DOLLARS:f}"
    return f"${amount:.{1 - math.floor(math.log10(amount))}f}"


_COUNT: Final = lazy_pattern(r"(\d+(?:\.\d+)?) ?([kKM]?)")


def parse_count(text: str) -> int:
    """A whole number from `8192`, `8k` (8,192) or `1M`: k and M count by 1,024, as contexts are
    named. Raises ValueError that says which forms it takes."""
    found = _COUNT.fullmatch(text.strip())
    value = 0.5 if found is None else float(found[1]) * _COUNT_UNITS[found[2].lower()]
    if not value.is_integer():
        raise ValueError("a whole number, such as 8192 or 8k")
    return int(value)


def whole_number(text: str) -> int | None:
    """The number that `text` is in up to 18 digits; None if it is none. Python's `int` raises for
    more than 4,300 digits, which `isdecimal` takes, and `isdigit` takes `²`, which `int` does not.
    """
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None


_MOST_DIGITS: Final = 18
_COUNT_UNITS: Final = {"": 1, "k": 1024, "m": 1024**2}

"""Numbers that others send: JSON and TOML have whole numbers that no float can hold, and Python's
reader of JSON takes NaN and infinity as well."""

from __future__ import annotations

import math


def is_finite(value: float) -> bool:
    """Whether `value` fits a finite float."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False

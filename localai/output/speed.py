"""A predicted speed in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localai.units import UNKNOWN

if TYPE_CHECKING:
    from localai.sizing.speed import SpeedRange


def speed_text(speed: SpeedRange) -> str:
    """`16–26 tok/s`, or a dash if it is unknown."""
    if speed.low is None or speed.high is None:
        return UNKNOWN
    return f"{_rate_text(speed.low)}–{_rate_text(speed.high)} tok/s"


def _rate_text(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 3 else f"{rate:.1f}"

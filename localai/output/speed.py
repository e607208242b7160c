"""A predicted speed for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localai.output.units import UNKNOWN

if TYPE_CHECKING:
    from localai.sizing.speed import SpeedRange


def speed_text(speed: SpeedRange) -> str:
    """`16–26 tok/s`, or a dash where it is unknown."""
    if speed.low is None or speed.high is None:
        return UNKNOWN
    return f"{_figure(speed.low)}–{_figure(speed.high)} tok/s"


def speed_document(speed: SpeedRange) -> dict[str, Any]:
    """The same for programs."""
    return {
        "low_tokens_per_s": _rounded(speed.low),
        "expected_tokens_per_s": _rounded(speed.expected),
        "high_tokens_per_s": _rounded(speed.high),
        "basis": speed.basis,
        "confidence": speed.confidence,
    }


def _figure(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 3 else f"{rate:.1f}"


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 2)

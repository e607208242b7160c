"""What is said where `--think` has no effect. Pure."""

from __future__ import annotations

from typing import Final

from localai.types import Think

LEVELS: Final[tuple[Think, ...]] = ("low", "medium", "high")


def thinks_anyway(model: str) -> str:
    """A model cannot be told not to think."""
    return f"{model} cannot be told not to think: --think off has no effect"


def thinks_little(model: str) -> str:
    """A model cannot be told not to think, but to think as little as it can."""
    return f"{model} cannot be told not to think: with --think off it thinks little (low)"


def knows_no_levels(model: str, think: Think, who: str | None = None) -> str:
    """A model, or the server `who` that runs it, knows thinking and no levels of it."""
    subject = model if who is None else f"{who} with {model}"
    return f"{subject} knows no levels of thinking: --think {think} is --think on"

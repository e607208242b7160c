"""Flags that several commands take as text, and what they mean."""

from __future__ import annotations

from typing import cast, get_args

from localai.config import parse_duration
from localai.errors import InvalidInput
from localai.types import Think


def parse_think(text: str | None) -> Think | None:
    """The level of reasoning that `--think` asks for. Raises InvalidInput."""
    if text is None:
        return None
    if text not in get_args(Think):
        raise InvalidInput(
            f"--think takes {', '.join(get_args(Think))}, not {text!r}", hint="--think high"
        )
    return cast("Think", text)


def parse_keep_alive(text: str | None) -> float | None:
    """How long `--keep-alive` lets the model stay, in seconds. Raises InvalidInput."""
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidInput(f"--keep-alive must be {error}, not {text!r}") from error

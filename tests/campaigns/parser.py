"""What the campaign feeds: a parser with its specimens, and the errors by which it may refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localai.errors import LocalaiError


@dataclass(frozen=True)
class Parser:
    """What reads, given the bytes and an empty folder; `refuses` is how it says what is wrong,
    `weight` how much of the campaign's time it gets: less for what its user writes."""

    name: str
    specimens: tuple[bytes, ...]
    read: Callable[[bytes, Path], Any]
    refuses: tuple[type[Exception], ...] = (LocalaiError,)
    weight: float = 3.0


def file_of(name: str, content: bytes, folder: Path) -> Path:
    """A file with that content at that place below the folder."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path

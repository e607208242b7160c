"""What long work tells while it runs: events, which somebody else shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Stage = Literal["waiting", "downloading", "verifying", "quantizing"]


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far it is. `waiting` is for another download of the same model.

    `done_bytes` only grows within a stage, unless a note says that it begins anew; `total_bytes`
    None is unknown.
    """

    stage: Stage
    done_bytes: int = 0
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class PullNote:
    """Something that the person should know: another host, a broken connection, a new start."""

    text: str


@dataclass(frozen=True, slots=True)
class Pulled:
    """The end: the verified file is at `path`. `fetched` is False if it was there already."""

    path: Path
    size_bytes: int
    sha256: str
    fetched: bool


PullEvent = PullProgress | PullNote | Pulled

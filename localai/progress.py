"""The progress of long work, as events that a caller shows."""

from __future__ import annotations

from typing import Literal

from localai.dataclass import dataclass

Stage = Literal["waiting", "downloading", "verifying", "quantizing"]


@dataclass(frozen=True, slots=True)
class WorkProgress:
    """How far the work is. In the stage `waiting`, another process does the same work.

    `done_bytes` only grows within a stage, unless a `WorkNote` says that the stage begins anew.
    `total_bytes` is None if it is unknown.
    """

    stage: Stage
    done_bytes: int = 0
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class WorkNote:
    """A sentence for the user: another host, a broken connection, a new start."""

    text: str

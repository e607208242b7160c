"""What long work tells while it runs, as events that somebody else shows."""

from __future__ import annotations

from typing import Literal

from localai.dataclass import dataclass

Stage = Literal["waiting", "downloading", "verifying", "quantizing"]


@dataclass(frozen=True, slots=True)
class WorkProgress:
    """How far the work is. The stage `waiting` is for another process that does the same work.

    `done_bytes` only grows within a stage, unless a `WorkNote` says that the stage begins anew.
    `total_bytes` is None where it is unknown.
    """

    stage: Stage
    done_bytes: int = 0
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class WorkNote:
    """A sentence for the user: another host, a broken connection, a new start."""

    text: str

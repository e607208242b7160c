"""How far a batch is, and what is counted for it."""

from __future__ import annotations

import time

from localai.batch.answering import Outcome
from localai.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is.

    `answered` and `failed` count this run's lines, `found` and `found_failed` those that an earlier
    run left; `cut` are answers that did not come to their own end, `looping` those of them that
    repeated themselves without end. `elapsed_s` counts from the first question.
    """

    answered: int = 0
    failed: int = 0
    found: int = 0
    found_failed: int = 0
    cut: int = 0
    looping: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    concurrency: int = 0
    elapsed_s: float = 0.0

    @property
    def all_failed(self) -> int:
        """The number of lines whose record is one of a failure."""
        return self.failed + self.found_failed


@dataclass(slots=True)
class Counts:
    """The counts of a run so far. `started` is when the first question was asked (monotonic)."""

    answered: int = 0
    failed: int = 0
    found: int = 0
    found_failed: int = 0
    cut: int = 0
    looping: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    started: float | None = None

    def add(self, outcome: Outcome) -> None:
        """Count a finished line."""
        answer = outcome.answer
        self.failed += outcome.error is not None
        self.answered += outcome.error is None
        if answer is not None:
            self.cut += answer.is_cut
            self.looping += answer.done.finish_reason == "loop"
            self.input_tokens += answer.done.usage.input_tokens or 0
            self.output_tokens += answer.done.usage.output_tokens or 0

    def progress(self, concurrency: int) -> Progress:
        """How far the run is."""
        return Progress(
            answered=self.answered,
            failed=self.failed,
            found=self.found,
            found_failed=self.found_failed,
            cut=self.cut,
            looping=self.looping,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            concurrency=concurrency,
            elapsed_s=0.0 if self.started is None else time.monotonic() - self.started,
        )

"""How far a batch is. Pure."""

from __future__ import annotations

from dataclasses import replace

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
    def lines(self) -> int:
        """The number of lines that are finished."""
        return self.answered + self.failed + self.found

    @property
    def all_failed(self) -> int:
        """The number of lines whose record is one of a failure."""
        return self.failed + self.found_failed

    def with_line(self, outcome: Outcome) -> Progress:
        """The progress after one more line is finished."""
        answer, has_failed = outcome.answer, outcome.error is not None
        counted = replace(
            self, failed=self.failed + has_failed, answered=self.answered + (not has_failed)
        )
        if answer is None:
            return counted
        usage = answer.done.usage
        return replace(
            counted,
            cut=self.cut + answer.is_cut,
            looping=self.looping + (answer.done.finish_reason == "loop"),
            input_tokens=self.input_tokens + (usage.input_tokens or 0),
            output_tokens=self.output_tokens + (usage.output_tokens or 0),
        )

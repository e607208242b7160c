"""What is made of an answer when it is whole: its code block, its schema, its tokens' odds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from localai.errors import FinishedWithFailures
from localai.output.streams import note, warn

if TYPE_CHECKING:
    from localai.answers import Answer
    from localai.chat.schema import Schema


@dataclass(frozen=True, slots=True)
class Checks:
    """What the user wants of the answer besides its text."""

    extract: bool = False
    schema: Schema | None = None

    def extracted(self, answer: Answer) -> str | None:
        """The first code block, with `-x`; None without it, or where there is none."""
        from localai.chat.extract import first_code_block

        return first_code_block(answer.text) if self.extract else None

    def failure(self, answer: Answer, extracted: str | None) -> FinishedWithFailures | None:
        """What is wrong with the answer; None if nothing is."""
        if self.extract and extracted is None:
            return FinishedWithFailures(
                "the answer has no code block", hint="without -x the whole answer is printed"
            )
        if self.schema is None:
            return None
        violation = self.schema.violation(answer.text if extracted is None else extracted)
        if violation is None:
            return None
        return FinishedWithFailures(
            f"the answer breaks the schema: {violation}",
            hint="it was cut before its end: --max-tokens allows more" if answer.is_cut else None,
        )


def say_logprobs(answer: Answer) -> None:
    """Every token with its probability and what else it might have been, on stderr."""
    from localai.output.token_odds import odds_lines

    if not answer.logprobs:
        warn(f"{answer.model.provider}/{answer.model.id} gave no probabilities")
    for line in odds_lines(answer.logprobs):
        note(line)

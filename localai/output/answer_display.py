"""How an answer is shown and what is said after it, by one shot and session alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from localai.output.streams import note, warn
from localai.output.usage_line import usage_lines

if TYPE_CHECKING:
    from localai.answers import Answer
    from localai.config import Config
    from localai.output.play import Writer

_FINISH_NOTES = {
    "length": "cut at {limit} tokens; {more} allows more",
    "context": "cut: the context is full; {larger} allows more",
    "refusal": "the provider refused to answer",
}


@dataclass(slots=True)
class Display:
    """What the user wants to see of an answer; `usage` adds tokens, speed and where."""

    raw: bool = False
    stream: bool = True
    hide_thinking: bool = False
    quiet: bool = False
    usage: bool = False

    def writer(self) -> Writer:
        """A writer for one answer, on this process's stdout and stderr."""
        from localai.output.answer import answer_writer

        return answer_writer(
            raw=self.raw,
            stream=self.stream,
            hide_thinking=self.hide_thinking,
            quiet=self.quiet,
        )


def say_how_it_ended(answer: Answer, limit: int | None, *, more: str, larger: str) -> None:
    """Warn of an answer that is not whole. `more` and `larger` are what the user can type for
    more tokens and for a larger context; `limit` was the token limit."""
    if finish := _FINISH_NOTES.get(answer.done.finish_reason):
        warn(finish.format(limit=limit, more=more, larger=larger))


def say_usage(answer: Answer, config: Config) -> None:
    """Tokens, speed, cost and where (`-u`)."""
    from localai.cost.prices import cost_of

    for line in usage_lines(answer, cost_of(answer, config)):
        note(line)


def say_logprobs(answer: Answer) -> None:
    """Every token with its probability and what else it might have been, on stderr."""
    from localai.output.token_odds import odds_lines

    if not answer.logprobs:
        warn(f"{answer.model.provider}/{answer.model.id} gave no probabilities")
    for line in odds_lines(answer.logprobs):
        note(line)

"""How an answer is shown and what is said after it, by one shot and session alike."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localai.output.streams import note, warn
from localai.output.usage_line import usage_lines

if TYPE_CHECKING:
    from localai.answers import Answer
    from localai.config import Config
    from localai.cost.prices import Cost
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
    for line in usage_lines(answer, cost_of(answer, config)):
        note(line)


def cost_of(answer: Answer, config: Config) -> Cost:
    """What the answer cost, at the prices of now."""
    from localai.cost.prices import price

    model, done = answer.model, answer.done
    zone = done.locality.zone
    endpoint = config.endpoints.get(model.provider)
    return price(
        model.provider,
        model.id,
        None if zone is None else zone.label,
        done.usage,
        time.time(),
        None if endpoint is None else endpoint.url,
    )

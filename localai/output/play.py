"""Play an answer's events into a writer, and gather what came."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

from localai.types import (
    Answering,
    Done,
    Event,
    Loading,
    ReasoningDelta,
    ResolvedModel,
    TextDelta,
    TokenLogprobs,
)


class Writer(Protocol):
    """Where an answer is shown."""

    def text(self, text: str) -> None:
        """A piece of the answer."""

    def reasoning(self, text: str) -> None:
        """A piece of the model's thinking."""

    def status(self, status: str | None) -> None:
        """What is being waited for; None: nothing any more."""

    def close(self, *, interrupted: bool = False) -> None:
        """The answer has ended."""


class SilentWriter:
    """Shows nothing: the answer goes into a document."""

    def text(self, text: str) -> None:
        """Nothing."""

    def reasoning(self, text: str) -> None:
        """Nothing."""

    def status(self, status: str | None) -> None:
        """Nothing."""

    def close(self, *, interrupted: bool = False) -> None:
        """Nothing."""


@dataclass(slots=True)
class Answer:
    """What came of an answer, and from whom; `done` is None as long as it has not ended."""

    pieces: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprobs] = field(default_factory=list)
    done: Done | None = None
    model: ResolvedModel | None = None

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self.pieces)

    @property
    def reasoning(self) -> str:
        """The thinking so far."""
        return "".join(self.thoughts)


def play(events: Iterator[Event], writer: Writer) -> Answer:
    """Show the events as they come. Whatever is raised on the way, the writer is closed tidily and
    the stream is closed, which stops the computation."""
    answer = Answer()
    finished = False
    try:
        with closing(events):  # type: ignore[type-var]  # providers yield from generators
            writer.status("waiting for the first token")
            for event in events:
                _show(event, answer, writer)
        finished = True
    finally:
        writer.close(interrupted=not finished)
    return answer


def _show(event: Event, answer: Answer, writer: Writer) -> None:
    if isinstance(event, TextDelta):
        answer.pieces.append(event.text)
        writer.text(event.text)
    elif isinstance(event, ReasoningDelta):
        answer.thoughts.append(event.text)
        writer.reasoning(event.text)
    elif isinstance(event, Loading):
        percent = "" if event.fraction is None else f" {event.fraction:.0%}"
        writer.status(event.message + percent)
    elif isinstance(event, TokenLogprobs):
        answer.logprobs.append(event)
    elif isinstance(event, Answering):
        answer.model = event.model
    elif isinstance(event, Done):
        answer.done = event

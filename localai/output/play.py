"""Where an answer is shown, and playing its events into it."""

from __future__ import annotations

from typing import Protocol

from localai.answers import Answer, gather
from localai.types import Event, Events, Loading, ReasoningDelta, TextDelta


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


def play(events: Events, writer: Writer) -> Answer:
    """Show the events as they come; the answer that they make.

    Whatever is raised on the way, the stream is closed, which stops the computation, and the writer
    is closed tidily. Raises what `gather` raises.
    """
    finished = False
    try:
        writer.status("waiting for the first token")
        answer = gather(events, on_event=lambda event: _show(event, writer))
        finished = True
    finally:
        writer.close(interrupted=not finished)
    return answer


def _show(event: Event, writer: Writer) -> None:
    if isinstance(event, TextDelta):
        writer.text(event.text)
    elif isinstance(event, ReasoningDelta):
        writer.reasoning(event.text)
    elif isinstance(event, Loading):
        percent = "" if event.fraction is None else f" {event.fraction:.0%}"
        writer.status(event.message + percent)

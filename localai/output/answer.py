"""The way of an answer to the user: `answer_writer` chooses a writer for the streams, and
`show_answer` passes the events to it.

stdout carries the answer and nothing else; reasoning and the status line go to stderr. Escapes in a
model's text are removed unless the user asked for them (`raw`).

Standard library only, so that a pipe waits for no import. `terminal_answer` has what a terminal
needs; it is imported if stdout is a terminal.
"""

from __future__ import annotations

import os
import sys
from typing import Protocol

from localai.answers import Answer, PartialAnswer, gather
from localai.events import Event, Events, Loading, ReasoningDelta, TextDelta, ThinkingEnded
from localai.output.live_line import LiveLine, Status
from localai.output.plain_answer import PlainAnswer
from localai.output.step_share import StepShare
from localai.output.terminal import color_wanted, is_terminal, terminal_size
from localai.units import counted


class Writer(Protocol):
    """Shows an answer on the streams."""

    def text(self, text: str) -> None:
        """A piece of the answer."""

    def reasoning(self, text: str) -> None:
        """A piece of the model's reasoning."""

    def thinking_ended(self) -> None:
        """All text so far was reasoning. Text that was shown stays."""

    def status(self, status: Status | None) -> None:
        """Show what is being waited for; None ends the waiting."""

    def close(self, *, interrupted: bool = False) -> None:
        """The answer has ended."""


class SilentWriter:
    """Shows nothing, because the answer goes into a document."""

    def text(self, text: str) -> None:
        """Do nothing."""

    def reasoning(self, text: str) -> None:
        """Do nothing."""

    def thinking_ended(self) -> None:
        """Do nothing."""

    def status(self, status: Status | None) -> None:
        """Do nothing."""

    def close(self, *, interrupted: bool = False) -> None:
        """Do nothing."""


def answer_writer(*, raw: bool, stream: bool, hide_thinking: bool, quiet: bool) -> Writer:
    """The writer for this process's stdout and stderr.

    `raw` keeps escapes and therefore draws no markdown. Without `stream`, the answer is shown when
    it is whole. `quiet` keeps reasoning and status off stderr.
    """
    stderr = None if quiet else sys.stderr
    reasoning = None if hide_thinking else stderr
    cursor = os.environ.get("TERM") != "dumb"
    status = None
    if stderr is not None and is_terminal(stderr) and cursor:
        status = LiveLine(stderr, lambda: terminal_size(sys.stderr)[0])
    writer: Writer
    if is_terminal(sys.stdout) and cursor and not raw:
        from localai.output.terminal_answer import TerminalAnswer

        writer = TerminalAnswer(sys.stdout, reasoning, status, color=color_wanted(sys.stdout))
    else:
        writer = PlainAnswer(sys.stdout.buffer, reasoning, status, raw=raw)
    return writer if stream else WholeAnswer(writer)


def show_answer(events: Events, writer: Writer, into: PartialAnswer | None = None) -> Answer:
    """Show the events as they come. Return the answer that they make.

    If this raises, `into` has what came so far. Whatever is raised, the stream is closed, which
    stops the computation, and the writer is closed tidily. Raises what `gather` raises.
    """
    finished = False
    try:
        writer.status("waiting for the first token")
        waiting = _Waiting(writer)
        answer = gather(events, into, on_event=lambda event: _show_event(event, writer, waiting))
        finished = True
    finally:
        writer.close(interrupted=not finished)
    return answer


def _show_event(event: Event, writer: Writer, waiting: _Waiting) -> None:
    if isinstance(event, TextDelta):
        writer.text(event.text)
    elif isinstance(event, ReasoningDelta):
        writer.reasoning(event.text)
    elif isinstance(event, ThinkingEnded):
        writer.thinking_ended()
    elif isinstance(event, Loading):
        waiting.show(event)


class _Waiting:
    """What an answer is waiting for: its share moves between the steps in which it is said."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._message = ""
        self._share = StepShare()

    def show(self, event: Loading) -> None:
        if event.message != self._message:
            self._message, self._share = event.message, StepShare()
        message, share = self._message, self._share
        if event.fraction is None:
            self._writer.status(message)
        else:
            share.reached(event.fraction)
            self._writer.status(lambda: f"{message} {share.now():.0%}")


class WholeAnswer:
    """Keeps everything back until the answer is whole, then passes it to `writer` (--no-stream)."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._text: list[str] = []
        self._reasoning: list[str] = []

    def text(self, text: str) -> None:
        """Keep a piece of the answer."""
        self._text.append(text)

    def reasoning(self, text: str) -> None:
        """Keep a piece of the reasoning."""
        self._reasoning.append(text)

    def thinking_ended(self) -> None:
        """Count the kept text as reasoning."""
        self._reasoning += self._text
        self._text = []

    def status(self, status: Status | None) -> None:
        """Show what is being waited for, because nothing else is shown meanwhile."""
        self._writer.status(status)

    def close(self, *, interrupted: bool = False) -> None:
        """Show all that came, whether the answer is whole or was interrupted."""
        if self._reasoning:
            self._writer.reasoning("".join(self._reasoning))
        if self._text:
            self._writer.text("".join(self._text))
        self._writer.close(interrupted=interrupted)


class WithheldText:
    """Shows the reasoning and the status through `writer`, and keeps the text back."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._characters = 0

    def text(self, text: str) -> None:
        """Only count the text."""
        self._characters += len(text)
        self._writer.status(f"{counted(self._characters, 'character')} so far")

    def reasoning(self, text: str) -> None:
        """Show the reasoning."""
        self._writer.reasoning(text)

    def thinking_ended(self) -> None:
        """Forget the count: the text was reasoning."""
        self._characters = 0

    def status(self, status: Status | None) -> None:
        """Show the status."""
        self._writer.status(status)

    def close(self, *, interrupted: bool = False) -> None:
        """End without showing any of the text."""
        self._writer.close(interrupted=interrupted)

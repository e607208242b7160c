"""An answer on its way to the user: `answer_writer` picks how, for the streams there are, and
`show_answer` plays the events into it.

stdout carries the answer and nothing else; reasoning and the status line go to stderr. Escapes
in what a model wrote are removed unless the user asked for them (`raw`).

Standard library only, for a pipe waits for no import; what a terminal needs is in
`terminal_answer`, imported when stdout is one.
"""

from __future__ import annotations

import os
import sys
from typing import Protocol

from localai.answers import Answer, gather
from localai.output.live_line import LiveLine
from localai.output.plain_answer import PlainAnswer
from localai.output.terminal import color_wanted, is_terminal, terminal_size
from localai.types import Event, Events, Loading, ReasoningDelta, TextDelta, ThinkingEnded


class Writer(Protocol):
    """Where an answer is shown."""

    def text(self, text: str) -> None:
        """A piece of the answer."""

    def reasoning(self, text: str) -> None:
        """A piece of the model's thinking."""

    def thinking_ended(self) -> None:
        """The text until here was thinking; what was shown of it stays."""

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

    def thinking_ended(self) -> None:
        """Nothing."""

    def status(self, status: str | None) -> None:
        """Nothing."""

    def close(self, *, interrupted: bool = False) -> None:
        """Nothing."""


def answer_writer(*, raw: bool, stream: bool, hide_thinking: bool, quiet: bool) -> Writer:
    """The writer for this process's stdout and stderr.

    `raw` lets escapes through (and so draws no markdown), `stream` False shows the answer when it
    is whole, `quiet` keeps reasoning and status off stderr.
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


def show_answer(events: Events, writer: Writer) -> Answer:
    """Show the events as they come; the answer that they make.

    Whatever is raised on the way, the stream is closed, which stops the computation, and the writer
    is closed tidily. Raises what `gather` raises.
    """
    finished = False
    try:
        writer.status("waiting for the first token")
        answer = gather(events, on_event=lambda event: _show_event(event, writer))
        finished = True
    finally:
        writer.close(interrupted=not finished)
    return answer


def _show_event(event: Event, writer: Writer) -> None:
    if isinstance(event, TextDelta):
        writer.text(event.text)
    elif isinstance(event, ReasoningDelta):
        writer.reasoning(event.text)
    elif isinstance(event, ThinkingEnded):
        writer.thinking_ended()
    elif isinstance(event, Loading):
        percent = "" if event.fraction is None else f" {event.fraction:.0%}"
        writer.status(event.message + percent)


class WholeAnswer:
    """Keeps everything back until the answer is whole, then hands it to `writer` (--no-stream)."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._text: list[str] = []
        self._reasoning: list[str] = []

    def text(self, text: str) -> None:
        """Keep a piece of the answer."""
        self._text.append(text)

    def reasoning(self, text: str) -> None:
        """Keep a piece of the thinking."""
        self._reasoning.append(text)

    def thinking_ended(self) -> None:
        """What was kept as text was thinking."""
        self._reasoning += self._text
        self._text = []

    def status(self, status: str | None) -> None:
        """Show what is being waited for: the more so as nothing else is seen."""
        self._writer.status(status)

    def close(self, *, interrupted: bool = False) -> None:
        """Show all that came, whether it is whole or was interrupted."""
        if self._reasoning:
            self._writer.reasoning("".join(self._reasoning))
        if self._text:
            self._writer.text("".join(self._text))
        self._writer.close(interrupted=interrupted)


class WithheldText:
    """Shows the thinking and what is waited for through `writer`, and keeps the text back."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._characters = 0

    def text(self, text: str) -> None:
        """Only count it."""
        self._characters += len(text)
        self._writer.status(f"{self._characters:,} characters so far")

    def reasoning(self, text: str) -> None:
        """Show it."""
        self._writer.reasoning(text)

    def thinking_ended(self) -> None:
        """What was counted was no answer."""
        self._characters = 0

    def status(self, status: str | None) -> None:
        """Show it."""
        self._writer.status(status)

    def close(self, *, interrupted: bool = False) -> None:
        """The answer has ended, and nothing of it was shown."""
        self._writer.close(interrupted=interrupted)

"""An answer on its way to the user: `answer_writer` picks how, for the streams there are, and
`show_answer` plays the events into it.

stdout carries the answer and nothing else; reasoning and the status line go to stderr. Escapes
in what a model wrote are removed unless the user asked for them (`raw`).

Standard library only, for a pipe waits for no import; what a terminal needs is in
`terminal_answer`, imported when stdout is one. A closed pipe is the caller's BrokenPipeError.
"""

from __future__ import annotations

import os
import sys
from typing import BinaryIO, Protocol, TextIO

from localai.answers import Answer, gather
from localai.output.live_line import LiveLine
from localai.output.terminal import color_wanted, is_terminal, terminal_size
from localai.output.untrusted import Sanitizer
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


def print_answer_text(text: str, *, raw: bool) -> None:
    """`text` on stdout with one newline at its end, without Markdown; escapes only with `raw`."""
    writer = PlainAnswer(sys.stdout.buffer, None, raw=raw)
    writer.text(text)
    writer.close()


class PlainAnswer:
    """The answer's bytes as they come, UTF-8, flushed piece by piece, for pipes and files.

    Newlines before the first character are dropped and those at the end become one, so a shell
    script gets lines. An empty answer is no bytes at all.
    """

    def __init__(
        self,
        stdout: BinaryIO,
        reasoning: TextIO | None,
        status: LiveLine | None = None,
        *,
        raw: bool = False,
    ) -> None:
        self._stdout = stdout
        self._reasoning = None if reasoning is None else PlainReasoning(reasoning, raw=raw)
        self._status = status
        self._sanitizer = None if raw else Sanitizer()
        self._newlines_held = 0
        self._anything_written = False

    def text(self, text: str) -> None:
        """Write a piece of the answer. Raises BrokenPipeError where nobody reads any more."""
        self.status(None)
        if self._reasoning is not None:
            self._reasoning.end()
        self._write(text if self._sanitizer is None else self._sanitizer.feed(text))

    def reasoning(self, text: str) -> None:
        """Write a piece of the thinking to stderr, if it is wanted there."""
        if self._reasoning is None:
            self.status("thinking")
            return
        self.status(None)
        self._reasoning.write(text)

    def thinking_ended(self) -> None:
        """What was written stays."""

    def status(self, status: str | None) -> None:
        """Say on stderr what is being waited for, if a person looks there."""
        _show_status(self._status, status)

    def close(self, *, interrupted: bool = False) -> None:
        """End the answer with one newline; a part of one as well."""
        self.status(None)
        if self._reasoning is not None:
            self._reasoning.end()
        if self._sanitizer is not None:
            self._write(self._sanitizer.close())
        if self._anything_written:
            self._stdout.write(b"\n")
            self._stdout.flush()

    def _write(self, text: str) -> None:
        if not self._anything_written:
            text = text.lstrip("\n")
        body = text.rstrip("\n")
        newlines = len(text) - len(body)
        if not body:
            self._newlines_held += newlines
            return
        held = "\n" * self._newlines_held
        self._newlines_held = newlines
        self._anything_written = True
        self._stdout.write((held + body).encode("utf-8", "replace"))
        self._stdout.flush()


class PlainReasoning:
    """Reasoning on stderr as it comes, dim where there is colour, ending with a newline."""

    def __init__(self, stderr: TextIO, *, raw: bool = False) -> None:
        self._stderr = stderr
        self._sanitizer = None if raw else Sanitizer()
        self._dim, self._reset = ("\x1b[2m", "\x1b[0m") if color_wanted(stderr) else ("", "")
        self._at_line_start = True

    def write(self, text: str) -> None:
        """Write a piece."""
        if self._sanitizer is not None:
            text = self._sanitizer.feed(text)
        if not text:
            return
        # A stream that is not UTF-8 (LANG=C) gets a question mark instead of a traceback.
        encoding = self._stderr.encoding or "utf-8"
        text = text.encode(encoding, "replace").decode(encoding)
        self._stderr.write(f"{self._dim}{text}{self._reset}")
        self._stderr.flush()
        self._at_line_start = text.endswith("\n")

    def end(self) -> None:
        """The thinking is over, for now: what comes next begins on a new line."""
        if not self._at_line_start:
            self._stderr.write("\n")
            self._stderr.flush()
            self._at_line_start = True


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


def _show_status(line: LiveLine | None, status: str | None) -> None:
    if line is None:
        return
    if status is None:
        line.hide()
    else:
        line.wait_for(status)

"""Answers of several models while they come: in columns if they fit, else in blocks.

While the answers come, each pane shows the end of its text as it was written. At the end every
whole answer is drawn as Markdown. In a pipe each answer is printed when it is whole, under the
model's name.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import field
from typing import Literal, Protocol, TextIO

from localai.compare.asking import Reply
from localai.compare.names import short_names
from localai.dataclass import dataclass
from localai.events import Event, Loading, ReasoningDelta, TextDelta, ThinkingEnded
from localai.output.cells import cells, cut, pad, wrap
from localai.output.live_region import LiveRegion, Row
from localai.output.output import Output
from localai.output.terminal import echo_off, terminal_size
from localai.units import counted, time_text
from localai.untrusted import Sanitizer, sanitize

TICK_S = 0.1
"""How often a pane is drawn at most: more would take time from the models themselves."""

_LEAST_COLUMN = 30
_GAP = " │ "
_SGR = re.compile("\x1b\\[[0-9;]*m")
_BOLD, _DIM, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[0m"


class Panes(Protocol):
    """Shows the answers, by the models' names."""

    def event(self, model: str, event: Event) -> None:
        """A piece of an answer."""

    def reply(self, model: str, reply: Reply) -> None:
        """An answer has ended."""

    def refresh(self) -> None:
        """Show what has come, unless the last frame was just now."""

    def close(self, *, interrupted: bool = False) -> None:
        """End the panes: all answers have ended, or nobody waits for them any more."""


class NoPanes:
    """Shows only how many answers there are, on the live line: the answers are for a document, or
    must not show who wrote them."""

    def __init__(self, output: Output, models: Sequence[str]) -> None:
        self._output = output
        self._count = len(models)
        self._there = 0
        output.wait_for(self._text())

    def event(self, model: str, event: Event) -> None:
        """Do nothing."""

    def reply(self, model: str, reply: Reply) -> None:
        """Count one more."""
        self._there += 1
        self._output.wait_for(self._text())

    def refresh(self) -> None:
        """Do nothing: the line turns by itself."""

    def close(self, *, interrupted: bool = False) -> None:
        """Remove the line."""
        self._output.end_progress()

    def _text(self) -> str:
        return f"{self._there} of {counted(self._count, 'answer')}"


class PipedPanes:
    """Each answer when it is whole, in the models' order, under its name."""

    def __init__(self, output: Output, models: Sequence[str]) -> None:
        self._output = output
        self._names = short_names(models)
        self._waiting = list(models)
        self._replies: dict[str, Reply] = {}
        self._progress = NoPanes(output, models)

    def event(self, model: str, event: Event) -> None:
        """Do nothing: the answer is not whole yet."""

    def reply(self, model: str, reply: Reply) -> None:
        """Print the answers whose turn has come."""
        self._progress.reply(model, reply)
        self._replies[model] = reply
        while self._waiting and self._waiting[0] in self._replies:
            turn = self._waiting.pop(0)
            self._output.line(f"## {self._names[turn]}")
            self._output.line("")
            self._output.text(reply_text(self._replies[turn]))
            self._output.line("")

    def refresh(self) -> None:
        """Do nothing."""

    def close(self, *, interrupted: bool = False) -> None:
        """Remove the live line."""
        self._progress.close()


class LivePanes:
    """The panes on a terminal."""

    def __init__(self, stream: TextIO, models: Sequence[str], *, color: bool) -> None:
        self._stream = stream
        self._color = color
        self._panes = {model: _Pane(name) for model, name in short_names(models).items()}
        self._region = LiveRegion(stream, lambda: terminal_size(stream)[0])
        self._restore_echo = echo_off(stream)
        self._drawn_at = 0.0

    def event(self, model: str, event: Event) -> None:
        """Take a piece."""
        self._panes[model].take(event)

    def reply(self, model: str, reply: Reply) -> None:
        """The pane's answer has ended."""
        self._panes[model].end(reply)

    def refresh(self) -> None:
        """Draw the panes, ten times a second at most."""
        now = time.monotonic()
        if now - self._drawn_at < TICK_S:
            return
        columns, rows = terminal_size(self._stream)
        self._region.draw([], self._frame(columns - 1, max(4, rows - 2)))
        self._drawn_at = time.monotonic()

    def close(self, *, interrupted: bool = False) -> None:
        """Print all of every answer for good."""
        try:
            self._region.draw([row.ansi for row in self._whole()], [])
        finally:
            self._restore_echo()

    def _frame(self, columns: int, rows: int) -> list[Row]:
        panes = list(self._panes.values())
        width = column_width(columns, len(panes))
        if width is not None:
            height = min(rows - 2, max(len(pane.lines(width)) for pane in panes))
            drawn = [pane.column(width, height) for pane in panes]
            return self._beside(drawn, width, [pane.status() for pane in panes])
        height = max(1, rows // len(panes) - 1)
        return [
            row
            for pane in panes
            for row in [
                self._heading(pane.name, pane.status(), columns),
                *_rows(pane.lines(columns)[-height:]),
            ]
        ]

    def _whole(self) -> list[Row]:
        from localai.output.markdown.stream import render_markdown

        columns = terminal_size(self._stream)[0] - 1
        panes = list(self._panes.values())
        beside = column_width(columns, len(panes))
        width = columns if beside is None else beside
        texts = [render_markdown(pane.final(), columns=width, color=self._color) for pane in panes]
        if beside is not None:
            height = max(map(len, texts))
            even = [[*text, *[""] * (height - len(text))] for text in texts]
            return [*self._beside(even, width, [pane.status() for pane in panes]), Row("", 0)]
        return [
            row
            for pane, text in zip(panes, texts, strict=True)
            for row in [self._heading(pane.name, pane.status(), columns), *_rows(text), Row("", 0)]
        ]

    def _beside(
        self, texts: Sequence[Sequence[str]], width: int, statuses: Sequence[str]
    ) -> list[Row]:
        """The columns, each with its model above and its state below that."""
        names = [self._styled(cut(pane.name, width), _BOLD) for pane in self._panes.values()]
        states = [self._styled(cut(state, width), _DIM) for state in statuses]
        lines = [names, states, *zip(*texts, strict=True)]
        gap = self._styled(_GAP, _DIM)
        return _rows(
            [gap.join(_padded(part, width) for part in line).rstrip(" ") for line in lines]
        )

    def _heading(self, name: str, status: str, columns: int) -> Row:
        name = cut(name, max(1, columns - len(status) - 2))
        rest = cut(f"  {status}", max(1, columns - cells(name)))
        return Row(self._styled(name, _BOLD) + self._styled(rest, _DIM), cells(name) + cells(rest))

    def _styled(self, text: str, sgr: str) -> str:
        return f"{sgr}{text}{_RESET}" if self._color and text else text


def column_width(columns: int, panes: int) -> int | None:
    """The width of each of that many columns; None if they would be too narrow to read."""
    width = (columns - len(_GAP) * (panes - 1)) // panes
    return width if width >= _LEAST_COLUMN else None


def reply_text(reply: Reply) -> str:
    """A reply as text for a person: what came of it, and what went wrong."""
    text = reply.partial.text.strip("\n")
    if reply.error is not None:
        return f"{text}\n\n[failed: {reply.error.message}]".lstrip("\n")
    if reply.answer is not None and reply.answer.done.finish_reason == "loop":
        return f"{text} [stopped: it repeats itself without end]"
    if reply.answer is not None and reply.answer.is_cut:
        return f"{text} [cut at its limit]"
    return text or "[an empty answer]"


def answer_panes(output: Output, models: Sequence[str], *, hidden: bool) -> Panes:
    """The panes for the present streams; with `hidden` they do not show the answers yet."""
    if hidden or output.as_json:
        return NoPanes(output, models)
    if output.on_terminal and output.shows_progress:
        return LivePanes(output.stdout, models, color=output.color)
    return PipedPanes(output, models)


_State = Literal["waiting", "loading", "thinking", "writing", "ended"]


@dataclass(slots=True)
class _Pane:
    """A model's text so far. Only the line that is still growing is wrapped again."""

    name: str
    state: _State = "waiting"
    began: float = field(default_factory=time.monotonic)
    sanitizer: Sanitizer = field(default_factory=Sanitizer)
    ended: Reply | None = None
    width: int = 0
    finished: list[str] = field(default_factory=list)
    open_line: str = ""
    text: list[str] = field(default_factory=list)

    def take(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            self._enter("writing")
            text = self.sanitizer.feed(event.text)
            self.text.append(text)
            self._add(text)
        elif isinstance(event, ReasoningDelta):
            self._enter("thinking")
        elif isinstance(event, ThinkingEnded):
            self.text, self.finished, self.open_line = [], [], ""
        elif isinstance(event, Loading):
            self._enter("loading")

    def end(self, reply: Reply) -> None:
        self.ended, self.state = reply, "ended"

    def lines(self, width: int) -> list[str]:
        """The text as it was written, in lines of `width`."""
        if width != self.width:
            self.width, self.finished, self.open_line = width, [], ""
            self._add("".join(self.text))
        return [*self.finished, *wrap(self.open_line, width)]

    def column(self, width: int, height: int) -> list[str]:
        """The last `height` lines, padded with empty ones."""
        lines = self.lines(width)[-height:]
        return [*lines, *[""] * (height - len(lines))]

    def final(self) -> str:
        return sanitize("".join(self.text) if self.ended is None else reply_text(self.ended))

    def status(self) -> str:
        """The state of the answer, and for how long it has been in it."""
        if self.ended is None:
            if self.state == "waiting":
                return "waits for its turn"
            return f"{self.state} {time.monotonic() - self.began:.0f} s"
        if self.ended.error is not None:
            return "failed"
        answer = self.ended.answer
        seconds = None if answer is None else answer.done.timings.total_s
        return "done" if seconds is None else time_text(seconds)

    def _enter(self, state: _State) -> None:
        if self.state == "waiting":
            self.began = time.monotonic()
        self.state = state

    def _add(self, text: str) -> None:
        if not self.width:
            return
        *whole, self.open_line = (self.open_line + text.expandtabs(4)).split("\n")
        for line in whole:
            self.finished += wrap(line, self.width)


def _padded(ansi: str, width: int) -> str:
    """`ansi`, which may have colours, with spaces up to `width` cells."""
    plain = _SGR.sub("", ansi)
    return ansi + pad(plain, width)[len(plain) :]


def _rows(lines: Sequence[str]) -> list[Row]:
    return [Row(line, cells(_SGR.sub("", line))) for line in lines]

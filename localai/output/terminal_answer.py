"""An answer on a terminal: markdown as it streams, the reasoning dim above it, a status line
before.

A thread loads Rich and markdown-it-py while the model is still reading the question.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TextIO

from localai.output.live_line import LiveLine, Status
from localai.output.markdown.stream import MarkdownStream, render_markdown
from localai.output.plain_answer import PlainReasoning
from localai.output.terminal import echo_off, is_terminal, terminal_size
from localai.units import time_text
from localai.untrusted import Sanitizer

_REFRESH_S = 0.05


class TerminalAnswer:
    """Writes the answer to the terminal `stdout`, and the reasoning to the stream `reasoning`
    (stderr), or nowhere if that is None.

    While an answer comes, the keyboard's echo is off, because an echoed key would spoil what is
    drawn. Typed keys are kept for the next prompt.
    """

    def __init__(
        self,
        stdout: TextIO,
        reasoning: TextIO | None,
        status: LiveLine | None,
        *,
        color: bool,
    ) -> None:
        self._text = _markdown_on(stdout, color=color, dim=False)
        self._text_sanitizer = Sanitizer()
        self._reasoning = None if reasoning is None else _Reasoning(reasoning)
        self._status = status
        self._drawn = False
        self._stdout = stdout
        self._restore_echo: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="answer", daemon=True)

    def text(self, text: str) -> None:
        """Show a piece of the answer, at most 50 ms later."""
        text = self._text_sanitizer.feed(text)
        if not text:
            return
        self._begin_drawing()
        with self._lock:
            if self._reasoning is not None:
                self._reasoning.end()
            self._text.feed(text)

    def reasoning(self, text: str) -> None:
        """Show a piece of the reasoning; if it is hidden, show that there is some."""
        if self._reasoning is None:
            self.status("thinking")
            return
        self._begin_drawing()
        with self._lock:
            self._text.close()
            self._reasoning.feed(text)

    def thinking_ended(self) -> None:
        """Do nothing: what was drawn stays."""

    def status(self, status: Status | None) -> None:
        """Show what is being waited for, until something else is drawn."""
        self._start()
        if self._status is None:
            return
        if status is None:
            self._status.hide()
        elif not self._drawn:
            self._status.wait_for(status)

    def close(self, *, interrupted: bool = False) -> None:
        """Print the open rest; leave the cursor on a new line, and the keyboard as it was."""
        self._closed.set()
        if self._restore_echo is None:
            return
        self._ticker.join()
        try:
            self.status(None)
            if self._reasoning is not None:
                self._reasoning.end()
            self._text.feed(self._text_sanitizer.close())
            self._text.close()
        finally:
            self._restore_echo()

    def _start(self) -> None:
        if self._restore_echo is None:
            self._restore_echo = echo_off(self._stdout)
            self._ticker.start()

    def _begin_drawing(self) -> None:
        self._drawn = True
        self.status(None)

    def _tick(self) -> None:
        """Show text that would otherwise wait for the next piece during a pause."""
        render_markdown("**load** `everything`", columns=80, color=True)
        while not self._closed.wait(_REFRESH_S):
            try:
                with self._lock:
                    self._text.refresh()
                    if self._reasoning is not None:
                        self._reasoning.refresh()
            except (OSError, ValueError):
                return  # The terminal is gone; the main thread will notice.


class _Reasoning:
    """The model's reasoning on stderr: dim markdown on a terminal, plain text elsewhere."""

    def __init__(self, stderr: TextIO) -> None:
        self._stderr = stderr
        self._is_terminal = is_terminal(stderr)
        self._sanitizer = Sanitizer()
        self._plain = PlainReasoning(stderr)
        self._markdown = _markdown_on(stderr, color=False, dim=True)
        self._started: float | None = None

    def feed(self, text: str) -> None:
        if self._started is None:
            self._started = time.monotonic()
        if self._is_terminal:
            self._markdown.feed(self._sanitizer.feed(text))
        else:
            self._plain.write(text)

    def refresh(self) -> None:
        self._markdown.refresh()

    def end(self) -> None:
        """Separate the reasoning from the answer by a line that also shows it without styles."""
        if self._started is None:
            return
        seconds = time.monotonic() - self._started
        self._started = None
        if not self._is_terminal:
            self._plain.end()
            return
        self._markdown.feed(self._sanitizer.close())
        self._markdown.close()
        self._stderr.write(f"\x1b[2m(thought for {time_text(seconds)})\x1b[0m\n\n")
        self._stderr.flush()


def _markdown_on(stream: TextIO, *, color: bool, dim: bool) -> MarkdownStream:
    return MarkdownStream(
        stream,
        width=lambda: terminal_size(stream)[0],
        height=lambda: terminal_size(stream)[1],
        color=color,
        dim=dim,
    )

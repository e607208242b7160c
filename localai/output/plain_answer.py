"""An answer as plain text, for pipes and files: its bytes as they come, and the reasoning on
stderr.

Standard library only, so that a pipe waits for no import. On a closed pipe the caller gets
BrokenPipeError.
"""

from __future__ import annotations

import sys
from typing import BinaryIO, TextIO

from localai.output.live_line import LiveLine, Status
from localai.output.terminal import color_wanted
from localai.untrusted import Sanitizer


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
        """Write a piece of the answer. Raises BrokenPipeError if nobody reads any more."""
        self.status(None)
        if self._reasoning is not None:
            self._reasoning.end()
        self._write(text if self._sanitizer is None else self._sanitizer.feed(text))

    def reasoning(self, text: str) -> None:
        """Write a piece of the reasoning to stderr, if it is wanted there."""
        if self._reasoning is None:
            self.status("thinking")
            return
        self.status(None)
        self._reasoning.write(text)

    def thinking_ended(self) -> None:
        """Do nothing: what was written stays."""

    def status(self, status: Status | None) -> None:
        """Show on stderr what is being waited for, if a person looks there."""
        if self._status is None:
            return
        if status is None:
            self._status.hide()
        else:
            self._status.wait_for(status)

    def close(self, *, interrupted: bool = False) -> None:
        """End the answer with one newline, also an incomplete one."""
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
    """Reasoning on stderr as it comes, dim if there is colour, ending with a newline."""

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
        """The reasoning has ended, for now: what comes next begins on a new line."""
        if not self._at_line_start:
            self._stderr.write("\n")
            self._stderr.flush()
            self._at_line_start = True

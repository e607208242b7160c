"""What a command says, and to whom: `Output`, which a command makes once.

    output = Output("rm", as_json=as_json, quiet=quiet)

    on stdout, the data
    output.document(rm_document(…))        with --json only: the one document
    output.table(columns, rows)            for a person: a table on a terminal, tabs in a pipe
    output.facts([("model", "…"), …])      for a person: names with what stands for them
    output.line("a line", ("and", "dim"))  for a person: a line, its pieces styled or not
    output.paragraph("long", indent=4)     for a person: lines that end between words
    output.text("several lines")           for a person: as they are
    output.markdown("*an answer*")         for a person: drawn on a terminal
    output.write(b"as it is")              always: a file's content, an export

    on stderr, the rest
    output.note("…")                       what a person may like to know; not with -q or --json
    output.warn("…")                       what should not be overlooked; not with -q
    output.announce("…")                   always: the prompt is about to leave this machine
    output.progress("…"), .wait_for("…")   on the live line, if a person looks there
    output.confirm("Remove it?", …)        asks, or raises
    output.error(error)                    how the command failed; with --json as a document

So a command says all it has to say, and the mode decides what of it is shown. Nothing else writes
to the streams, which `Output` holds so that tests can replace them.

Every text may come from outside (a model's name, a file's, a server's words): it is cleaned of
escapes, controls and, where it is one line, of newlines here, and nowhere else. stdout carries the
data and nothing else. A pipe gets every line whole, however long.

Standard library only: rich is imported where a terminal has to draw wide characters.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal, TextIO

from localai.errors import Interrupted, LocalaiError
from localai.output.cells import pad, wrap, wrap_command
from localai.output.live_line import LiveLine, hide_live_lines
from localai.output.pager import show_in_pager
from localai.output.table import Column, Row, drawn, tabbed
from localai.output.terminal import color_wanted, is_terminal, terminal_size
from localai.redaction import redacted
from localai.untrusted import escaped, sanitize, sanitize_line

if TYPE_CHECKING:
    from localai.output.documents import Document

Style = Literal["", "bold", "dim", "red", "yellow", "match"]
Piece = str | tuple[str, Style]
"""A text, or a text and its style."""

_LEAST_BESIDE: Final = 20
"""Columns; where there is less room beside a name, a text stands below it."""
_SGR: Final[Mapping[Style, str]] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "yellow": "33",
    "match": "1;35",
}
_YES: Final = ("y", "yes")


class Output:
    """The streams of one command, the form that was asked for, and everything that it says."""

    def __init__(
        self,
        command: str = "localai",
        *,
        as_json: bool = False,
        quiet: bool = False,
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        """`command` names the schema of the documents; without streams, this process's are used."""
        self.command = command
        self.as_json = as_json
        self.quiet = quiet
        self.stdin = sys.stdin if stdin is None else stdin
        self.stdout = sys.stdout if stdout is None else stdout
        self.stderr = sys.stderr if stderr is None else stderr
        self._live: LiveLine | None = None
        self._page: io.StringIO | None = None

    # The streams' facts: whether a person looks, colour, size.

    @property
    def on_terminal(self) -> bool:
        """Whether a person looks at stdout."""
        return is_terminal(self.stdout)

    @property
    def color(self) -> bool:
        """Whether stdout may have colour."""
        return color_wanted(self.stdout)

    @property
    def columns(self) -> int:
        """The columns of the terminal on stdout, now; 80 if there is none."""
        return terminal_size(self.stdout)[0]

    @property
    def may_ask(self) -> bool:
        """Whether a person can be asked, and sees the question."""
        seen = is_terminal(self.stdin) and is_terminal(self.stderr)
        return seen and not (self.quiet or self.as_json)

    @property
    def shows_progress(self) -> bool:
        """Whether there is a live line: a person looks at stderr, on a terminal that can erase."""
        wanted = not (self.quiet or self.as_json)
        return wanted and is_terminal(self.stderr) and os.environ.get("TERM") != "dumb"

    # The data on stdout.

    def document(self, document: Document) -> None:
        """With --json: one document of the promise."""
        if not self.as_json:
            return
        is_utf8 = (self.stdout.encoding or "").lower().replace("-", "") == "utf8"
        text = json.dumps(document, ensure_ascii=not is_utf8, indent=2)
        self._print(escaped(redacted(text)))

    def table(
        self, columns: Sequence[Column | str], rows: Sequence[Row | Sequence[str]]
    ) -> frozenset[str]:
        """Rows under a header. A column that is only a name is never left out.

        Returns the names of the columns that are seen, so that nothing explains another one. Raises
        ValueError if a row does not have a cell for each column.
        """
        given = [each if isinstance(each, Column) else Column(each) for each in columns]
        shown = frozenset(each.name for each in given)
        if self.as_json:
            return shown
        filled = [each if isinstance(each, Row) else Row(each) for each in rows]
        for row in filled:
            if len(row.cells) != len(given):
                raise ValueError(f"{len(row.cells)} cells for {len(given)} columns")
        if self.on_terminal:
            table = drawn(given, filled, self.columns)
            shown = table.shown
            lines = [self._styled(line.text, "dim" if line.dim else "") for line in table.lines]
        else:
            lines = list(tabbed(given, filled))
        self._print("\n".join(lines))
        return shown

    def facts(self, rows: Sequence[tuple[str, str] | tuple[str, str, str]]) -> None:
        """Each name with its text beside it, on a narrow terminal below it; a third text, the
        source, is dim in brackets."""
        if self.as_json:
            return
        left = max((len(row[0]) for row in rows), default=0) + 2
        below = self.on_terminal and self.columns - left < _LEAST_BESIDE
        indent = 2 if below else left
        lines: list[str] = []
        for name, *texts in rows:
            first, *others = self._fact(texts, indent)
            lines += [name, f"  {first}"] if below else [pad(name, indent) + first]
            lines += [" " * indent + line for line in others]
        if lines:
            self._print("\n".join(lines))

    def line(self, *pieces: Piece) -> None:
        """One line for a person."""
        if not self.as_json:
            self._print("".join(self._piece(piece) for piece in pieces))

    def paragraph(self, text: str, *, indent: int = 0, style: Style = "") -> None:
        """A text for a person, indented: on a terminal in lines that end between words."""
        if self.as_json:
            return
        lines = [sanitize_line(text)]
        if self.on_terminal:
            lines = wrap(lines[0], max(20, self.columns - indent), break_words=False)
        self._print("\n".join(" " * indent + self._styled(line, style) for line in lines))

    def text(self, text: str, *, style: Style = "") -> None:
        """Text for a person, its lines as they are."""
        if not self.as_json:
            self._print(self._styled(sanitize(text).removesuffix("\n"), style))

    def markdown(self, text: str) -> None:
        """Text for a person: drawn on a terminal, as it is in a pipe."""
        if not self.on_terminal:
            self.text(text)
        elif not self.as_json:
            from localai.output.markdown.stream import render_markdown

            lines = render_markdown(sanitize(text), columns=self.columns, color=self.color)
            self._print("\n".join(lines))

    def write(self, content: str | bytes) -> None:
        """Data as they are, in every mode: byte for byte into a pipe, cleaned on a terminal."""
        if isinstance(content, str):
            content = content.encode("utf-8", "replace")
        self._hide()
        if self.on_terminal:
            self._shown().write(sanitize(content.decode("utf-8", "replace")))
        else:
            self.stdout.flush()
            self.stdout.buffer.write(content)
        self.stdout.flush()

    # The messages on stderr.

    def note(self, text: str) -> None:
        """A line for the person, dim where there is colour; not with -q or --json."""
        if not (self.quiet or self.as_json):
            self.announce(text)

    def announce(self, text: str) -> None:
        """A line that is always shown: a prompt is about to leave this machine."""
        self._say(self._fitted(sanitize_line(text)), "dim")

    def warn(self, text: str) -> None:
        """A line that should not be overlooked; not with -q."""
        if not self.quiet:
            self._say_marked("warning:", "yellow", sanitize_line(text))

    def error(
        self, error: LocalaiError, *, run: str = "run:", doctor: str = "localai doctor"
    ) -> None:
        """How the command failed: text on stderr, or the document that a failed --json promises.

        An interruption by the user needs no text. `run` stands before the line that helps, `doctor`
        begins the line that finds the cause.
        """
        hide_live_lines()
        if self.as_json:
            from localai.output.documents.failure import failure_document

            self.document(failure_document(error, self.command))
        elif not isinstance(error, Interrupted):
            self._say_marked("error:", "red", sanitize_line(error.message))
            why = f"{doctor} {error.check}" if error.check else None
            if error.hint or error.command or why:
                self._say("")
            if error.hint:
                self._say_marked("hint:", "dim", sanitize_line(error.hint))
            for label, text in ((run, error.command), ("why:", why)):
                if text:
                    self._say(f"{self._styled(label, 'dim', self.stderr)} {self._to_paste(text)}")

    def _to_paste(self, command: str) -> str:
        command = sanitize_line(command)
        if not is_terminal(self.stderr):
            return command
        columns = terminal_size(self.stderr)[0]
        return "\n".join(wrap_command(command, columns - len("run: ")))

    def confirm(
        self, question: str, *, unasked: LocalaiError, declined: str, yes_is_default: bool = False
    ) -> None:
        """Return if the person says yes; Enter alone means no, unless `yes_is_default`.

        Raises `unasked` if nobody can be asked, and Interrupted, after showing `declined`, if the
        person says no.
        """
        if not self.may_ask:
            raise unasked
        self._hide()
        assert self.stderr is not None and self.stdin is not None
        choice = "[Y/n]" if yes_is_default else "[y/N]"
        shown = f"{self._fitted(sanitize_line(question))} {choice} "
        print(shown, end="", file=self.stderr, flush=True)
        typed = self.stdin.readline()
        # The end of the input is no answer.
        agreed = yes_is_default if typed.strip() == "" and typed else typed.strip().lower() in _YES
        if not agreed:
            self.note(declined)
            raise Interrupted(declined)

    @contextmanager
    def paged(self) -> Iterator[None]:
        """Show the block's output, on a terminal, in the user's pager if it is longer than the
        screen, as git does: $PAGER, else less. So with it what the block says to the person."""
        if self.as_json or not self.on_terminal or self._page is not None:
            yield
            return
        self._page = whole = io.StringIO()
        try:
            yield
        finally:
            self._page = None
            text = whole.getvalue()
            if text.count("\n") < terminal_size(self.stdout)[1] or not show_in_pager(text):
                self.stdout.write(text)
                self.stdout.flush()

    # The live line on stderr.

    def progress(self, text: str, *, at_once: bool = False) -> None:
        """Show how far the work is on the live line, if there is one. At most ten times a second,
        except with `at_once`."""
        if self.shows_progress:
            self._live_line().show(sanitize_line(text), at_once=at_once)

    def wait_for(self, what: str) -> None:
        """Show on the live line what is being waited for, and for how long."""
        if self.shows_progress:
            self._live_line().wait_for(sanitize_line(what))

    def end_progress(self) -> None:
        """Remove the live line: the work or the waiting is over."""
        self._hide()

    def _live_line(self) -> LiveLine:
        if self._live is None:
            assert self.stderr is not None
            self._live = LiveLine(self.stderr, lambda: terminal_size(self.stderr)[0])
        return self._live

    def _hide(self) -> None:
        if self._live is not None:
            self._live.hide()

    # Writing to the streams.

    def _print(self, line: str) -> None:
        self._hide()
        print(redacted(line), file=self._shown(), flush=True)

    def _shown(self) -> TextIO:
        """Where what is for stdout goes now."""
        return self.stdout if self._page is None else self._page

    def _say(self, text: str, style: Style = "") -> None:
        """Write lines to stderr. If it is closed or its disk is full, nobody can be told."""
        if self.stderr is None:
            return
        lines = self._styled(redacted(text), style, self.stderr)
        if self._page is not None and is_terminal(self.stderr):
            self._hide()
            print(lines, file=self._page)
            return
        if self._live is not None:
            self._live.print_above(lines)
            return
        try:
            print(lines, file=self.stderr, flush=True)
        except (OSError, ValueError):
            return

    def _say_marked(self, mark: str, style: Style, text: str) -> None:
        shown = self._fitted(f"{mark} {text}").removeprefix(mark)
        self._say(self._styled(mark, style, self.stderr) + shown)

    def _styled(self, text: str, style: Style, stream: TextIO | None = None) -> str:
        if not (style and text and color_wanted(self.stdout if stream is None else stream)):
            return text
        return f"\x1b[{_SGR[style]}m{text}\x1b[0m"

    def _piece(self, piece: Piece) -> str:
        if isinstance(piece, str):
            return sanitize_line(piece)
        text, style = piece
        return self._styled(sanitize_line(text), style)

    def _fact(self, texts: Sequence[str], left: int) -> list[str]:
        """The lines beside a name."""
        value, basis = (sanitize_line(text) for text in (*texts, "")[:2])
        basis = f"({basis})" if basis else ""
        if not self.on_terminal:
            return [f"{value}  {basis}".rstrip()]
        room = self.columns - left
        lines = wrap(value, room, break_words=False)
        if basis and len(lines[-1]) + 2 + len(basis) <= room:
            lines[-1] += f"  {self._styled(basis, 'dim')}"
        elif basis:
            whole = wrap(basis, room, break_words=False)
            lines += [self._styled(line, "dim") for line in whole]
        return lines

    def _fitted(self, text: str) -> str:
        """A message for stderr: on a terminal its lines end between words, elsewhere it stays as it
        is."""
        if not is_terminal(self.stderr):
            return text
        columns = terminal_size(self.stderr)[0]
        return "\n".join(
            piece for line in text.split("\n") for piece in wrap(line, columns, break_words=False)
        )

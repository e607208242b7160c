"""Commands that bring text in and out: files for the next question, answers to the clipboard."""

from __future__ import annotations

import shlex
import sys

from localai.chat.inputs import read_text_file
from localai.errors import InvalidInput, NotFound
from localai.output.cells import one_line
from localai.output.streams import note, width
from localai.output.terminal import is_terminal
from localai.output.untrusted import sanitize
from localai.session.clipboard import copy_to_clipboard
from localai.session.state import Session
from localai.units import bytes_text, count_text


def file(session: Session, argument: str) -> None:
    """Add a text file to the next question; `none` takes all out again.
    UTF-8, or UTF-16 that says so; nothing of it is cut."""
    if argument == "none":
        session.files = []
    elif argument:
        # A name with spaces is one file if it is there, else several names as in a shell.
        try:
            session.files.append(read_text_file(argument))
        except NotFound:
            names = _split(argument)
            if len(names) < 2 and names[:1] == [argument]:
                raise
            session.files += [read_text_file(name) for name in names]
    if not session.files:
        note("no file goes with the next question")
    for waiting in session.files:
        size = bytes_text(len(waiting.text.encode("utf-8", "replace")))
        count = len(waiting.text.splitlines())
        lines, plural = count_text(count), "" if count == 1 else "s"
        name = one_line(waiting.name, max(20, width() - 50))
        note(f"{name}: {size}, {lines} line{plural}; goes with the next question")


def copy(session: Session, argument: str) -> None:
    """Copy the last answer, or message N, to the terminal's clipboard, also over ssh."""
    if not is_terminal(sys.stdout):
        raise InvalidInput("there is no terminal whose clipboard could be used")
    if argument:
        if not argument.isdigit():
            raise InvalidInput(f"{argument!r} is no number", command="/show messages")
        turn = session.conversation.turn(int(argument))
    else:
        last = session.conversation.last_answer
        if last is None:
            raise InvalidInput("there is no answer to copy yet")
        turn = last
    text = sanitize(turn.message.text).strip()
    note(copy_to_clipboard(text, sys.stdout))


def _split(argument: str) -> list[str]:
    try:
        return shlex.split(argument)
    except ValueError:
        return [argument]

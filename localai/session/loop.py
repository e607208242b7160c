"""The session's loop: greet, read, interpret, answer, until the user leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from localai.answers import name_in_a_line
from localai.errors import LocalaiError
from localai.output.terminal import is_dumb
from localai.session.conversation_commands import say_where_we_are
from localai.session.interrupts import Interrupts
from localai.session.model_commands import zone_label
from localai.session.slash_commands import run_command
from localai.session.state import Session
from localai.session.typed_text import is_open, repaired, understand

if TYPE_CHECKING:
    from localai.chat.resume import StoredConversation


class Reader(Protocol):
    """Reads what the user types."""

    def read(self, prefill: str) -> str:
        """The typed text; `prefill` stands there at first. Raises EOFError for Ctrl-D, and
        KeyboardInterrupt for Ctrl-C if there was nothing to clear."""


def run_session(session: Session, kept: StoredConversation | None) -> None:
    """Talk until the user leaves; `kept` is the conversation that is continued."""
    session.interrupts.begin()
    reader = _reader(session)
    session.title = None if kept is None else kept.title
    if not session.display.quiet:
        _say_welcome(session, kept)
    while not (session.leaving or session.interrupts.leave):
        try:
            line = reader.read("" if session.edit is None else session.edit.text)
        except EOFError:
            break
        except KeyboardInterrupt:
            if session.edit is not None:
                _give_up_edit(session)
            elif not session.interrupts.leave:
                session.output.note("(Ctrl-C again or Ctrl-D leaves)")
            continue
        _handle(session, line)
    session.interrupts.end()


def _handle(session: Session, line: str) -> None:
    typed = understand(line)
    if typed.kind != "question" and session.edit is not None:
        _give_up_edit(session)
    edited, session.edit = session.edit, None
    if typed.kind == "nothing":
        return
    try:
        with session.interrupts.watched():
            if typed.kind == "command":
                run_command(session, typed.name, typed.argument)
            else:
                session.ask(typed.argument, () if edited is None else edited.pictures)
    except LocalaiError as error:
        session.say_error(error)
    except KeyboardInterrupt:
        session.output.note("(stopped)")
    if not session.leaving:
        print()


def _give_up_edit(session: Session) -> None:
    if session.edit is not None:
        session.conversation.go_to(session.edit.back)
        session.edit = None
        session.output.note("(nothing was changed)")


def _reader(session: Session) -> Reader:
    if is_dumb():
        return PlainReader(session.interrupts)
    from localai.session.terminal_reader import TerminalReader

    return TerminalReader(session)


class PlainReader:
    """Reads with `input`; the terminal itself edits the line."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts

    def read(self, prefill: str) -> str:
        """A line, or several between quotes. Raises EOFError, KeyboardInterrupt."""
        if prefill:
            print(prefill)
        try:
            with self._interrupts.watched():
                text = input(">>> ")
                while is_open(text):
                    text += "\n" + input("... ")
        except (EOFError, KeyboardInterrupt):
            print()
            raise
        return repaired(text)


def _say_welcome(session: Session, kept: StoredConversation | None) -> None:
    """Name the model and its zone; show the last exchange of a continued conversation."""
    model = session.asker.chosen.model
    session.output.note(
        f"{name_in_a_line(model)} · {zone_label(model)} · /help tells more, Ctrl-D leaves"
    )
    if session.template is not None:
        session.output.note(f"what you type first goes into the template {session.template.name}")
    if not session.records:
        session.output.note("nothing of this session is kept")
    if kept is not None:
        say_where_we_are(session, kept)
    print()

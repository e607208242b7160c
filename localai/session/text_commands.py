"""Slash commands that bring text in and out: a file for the next question, an answer to copy."""

from __future__ import annotations

import base64
import os
import re
import shlex
import subprocess
import sys
from typing import Final, TextIO

from localai.chat.file_arguments import GatheredFiles, gather_files, some_of
from localai.chat.filling import filled_system
from localai.chat.inputs import read_picture
from localai.chat.pictures import require_vision
from localai.chat.templates import Template, find_template, list_templates
from localai.errors import InvalidInput, NotFound
from localai.output.cells import one_line
from localai.output.terminal import is_terminal
from localai.privacy.environment import child_environment
from localai.privacy.guard import child
from localai.session.state import Session
from localai.units import bytes_text, counted, whole_number
from localai.untrusted import sanitize

_PARAMETER: Final = re.compile(r"""(?P<name>\w+)=(?P<value>"[^"]*"|'[^']*'|\S*)\s*""")


def file(session: Session, argument: str) -> None:
    """Add a text file to the next question, lines of one (a.py:10-40) or a folder's; `none` takes
    all out again.
    What is not UTF-8 is recognised, and said; nothing of it is cut."""
    if argument == "none":
        session.files = []
    elif argument:
        # A name with spaces is one file if it is there, else several names as in a shell.
        try:
            _take(session, gather_files([argument]))
        except NotFound:
            names = _split(argument)
            if len(names) < 2 and names[:1] == [argument]:
                raise
            _take(session, gather_files(names))
    if not session.files:
        session.output.note("no file goes with the next question")
    for waiting in session.files:
        size = bytes_text(len(waiting.text.encode("utf-8", "replace")))
        lines = counted(len(waiting.text.splitlines()), "line")
        name = one_line(waiting.name, max(20, session.output.columns - 50))
        session.output.note(f"{name}: {size}, {lines}; goes with the next question")


def attach(session: Session, argument: str) -> None:
    """Add a picture to the next question; `none` takes all out again.
    It is kept with the conversation, and the model sees it again when that goes on."""
    if argument == "none":
        session.pictures = {}
    elif argument:
        require_vision(session.asker.chosen.model, session.asker.paths)
        try:
            session.pictures[argument] = read_picture(argument)
        except NotFound:
            names = _split(argument)
            if names == [argument]:
                raise
            session.pictures |= {name: read_picture(name) for name in names}
    if not session.pictures:
        session.output.note("no picture goes with the next question")
    for named, picture in session.pictures.items():
        name = one_line(named, max(20, session.output.columns - 50))
        size = bytes_text(len(picture.data))
        session.output.note(f"{name}: {picture.media_type}, {size}; goes with the next question")


def _take(session: Session, gathered: GatheredFiles) -> None:
    session.files += gathered.files
    if gathered.left_out:
        session.output.note(f"left out, for they are no text: {some_of(gathered.left_out)}")
    if gathered.unreadable:
        session.output.warn(f"left out, for they cannot be read: {some_of(gathered.unreadable)}")
    for remark in gathered.remarks:
        session.output.note(remark)


def template(session: Session, argument: str) -> None:
    """Put a question into a template: NAME [VARIABLE=VALUE …] [TEXT]; without TEXT the next
    question goes into it, `none` takes that back. Without NAME list them.
    Its system prompt holds until `none`, its options and schema for that question, below what you
    have set; its model is named, and not switched to."""
    name, _, rest = argument.partition(" ")
    if argument == "none":
        session.drop_template()
        session.output.note("the next question goes into no template")
        return
    paths = session.asker.paths
    if not name:
        session.output.facts([(each.name, each.description) for each in list_templates(paths)])
        return
    found = find_template(name, paths)
    parameters, text = _parameters(found, rest.strip())
    if (system := filled_system(found, parameters)) is not None:
        session.take_system(system)
    current = session.asker.chosen.model
    if found.model not in (None, current.id, f"{current.provider}/{current.id}"):
        session.output.note(f"{found.name} is made for another model: /model {found.model}")
    session.template, session.parameters = found, parameters
    if text or found.asks_by_itself:
        session.ask(text)
    else:
        session.output.note(f"the next question goes into {found.name}")


def _parameters(found: Template, rest: str) -> tuple[dict[str, str], str]:
    """The variables at the beginning of what was typed behind a template's name, and the text after
    them. A value with spaces stands in quotes, as in a shell."""
    parameters: dict[str, str] = {}
    while (given := _PARAMETER.match(rest)) and given["name"] in found.names:
        parameters[given["name"]] = " ".join(_split(given["value"]))
        rest = rest[given.end() :]
    missing = [name for name in found.names if name not in {**found.variables, **parameters}]
    if missing:
        raise InvalidInput(
            f"the template {found.name} needs {', '.join(missing)}",
            command=f"/template {found.name} {' '.join(f'{name}=VALUE' for name in missing)}",
        )
    return parameters, rest


def copy(session: Session, argument: str) -> None:
    """Copy the last answer, or message N, to the terminal's clipboard, also over ssh."""
    if not is_terminal(sys.stdout):
        raise InvalidInput("there is no terminal whose clipboard could be used")
    if argument:
        number = whole_number(argument)
        if number is None:
            raise InvalidInput(f"{argument!r} is no number", command="/show messages")
        turn = session.conversation.turn(number)
    else:
        last = session.conversation.last_answer
        if last is None:
            raise InvalidInput("there is no answer to copy yet")
        turn = last
    text = sanitize(turn.message.text).strip()
    session.output.note(copy_to_clipboard(text, sys.stdout))


def _split(argument: str) -> list[str]:
    try:
        return shlex.split(argument)
    except ValueError:
        return [argument]


_XTERM_LIMIT_BYTES = 74_994
"""What many terminals take at most, hterm and older xterms among them."""


def copy_to_clipboard(text: str, terminal: TextIO) -> str:
    """Ask the terminal to put `text` into the clipboard. Returns in words what was done; whether
    the terminal obeys cannot be known."""
    content = text.encode("utf-8", "replace")
    what = counted(len(text), "character")
    if os.environ.get("TMUX") and _copy_by_tmux(content):
        return f"{what} are in tmux's buffer, and sent to the terminal's clipboard"
    terminal.write(f"\x1b]52;c;{base64.b64encode(content).decode()}\a")
    terminal.flush()
    doubt = "; some terminals take less" if len(content) > _XTERM_LIMIT_BYTES else ""
    return f"{what} were sent to the terminal's clipboard (OSC 52){doubt}"


def _copy_by_tmux(content: bytes) -> bool:
    try:
        with child("tmux, which holds the terminal"):
            done = subprocess.run(
                ["tmux", "load-buffer", "-w", "-"],
                input=content,
                env=child_environment("tmux"),
                capture_output=True,
                timeout=5,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0

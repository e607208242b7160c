"""The session's commands, which begin with a slash: their table, and `/help`, which shows it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.near_names import near_names
from localai.output.cells import pad
from localai.output.terminal import terminal_size
from localai.session import conversation_commands as conversation
from localai.session import model_commands as model
from localai.session import text_commands as text
from localai.session import tree_commands as tree
from localai.session.doctor_command import doctor
from localai.session.state import Session

KEYS = (
    ("Enter", "ask"),
    ("Alt-Enter", 'a new line; so does """ until it is closed by """'),
    ("Ctrl-C", "stop the answer, or clear the line; twice quickly leaves"),
    ("Ctrl-D", "leave"),
    ("Ctrl-R", "search what was typed before; Up goes back in it"),
    ("Ctrl-X Ctrl-E", "write the question in $EDITOR"),
    ("Tab", "complete a command, a model, a file, a conversation"),
)


_LINES_BESIDE: Final = 3
"""The command that was typed, the next prompt, and the line under it."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its names, what it takes (`usage`, empty for nothing), what it does in a line, and
    its function."""

    name: str
    aliases: tuple[str, ...]
    usage: str
    summary: str
    run: Callable[[Session, str], None]

    @property
    def synopsis(self) -> str:
        """Its name and what it takes."""
        return f"/{self.name} {self.usage}".rstrip()


def help_(session: Session, argument: str) -> None:
    """This list, `keys` for what the keyboard does, or all of one command."""
    if argument == "keys":
        session.output.facts(KEYS)
    elif argument:
        command = find(argument.removeprefix("/"))
        also = "".join(f", /{alias}" for alias in command.aliases)
        print(f"{command.synopsis}{also}")
        for paragraph in inspect.cleandoc(command.run.__doc__ or "").split("\n\n"):
            session.output.paragraph(" ".join(paragraph.split()))
    else:
        _list_commands(session)


def _list_commands(session: Session) -> None:
    rows = [(command.synopsis, command.summary) for command in COMMANDS]
    rows.append(("/help keys", "what the keyboard does"))
    columns, lines = terminal_size(session.output.stdout)
    widest = max(len(synopsis) for synopsis, _ in rows)
    wraps = widest + 2 + max(len(summary) for _, summary in rows) > columns
    if not session.output.on_terminal or len(rows) * (1 + wraps) <= lines - _LINES_BESIDE:
        # Not in a pager: what is said in a session stays above the prompt, as answers do.
        session.output.facts(rows)
        return
    for texts in ([synopsis for synopsis, _ in rows], [f"/{each.name}" for each in COMMANDS]):
        listed = _side_by_side(texts, columns)
        if len(listed) < lines - _LINES_BESIDE:
            break
    for line in listed:
        session.output.line(line)
    session.output.note("what one does: /help COMMAND")


def _side_by_side(texts: Sequence[str], columns: int) -> list[str]:
    """The texts in lines of at most `columns` cells, in their order from top to bottom."""
    width = max(map(len, texts)) + 2
    below = math.ceil(len(texts) / max(1, columns // width))
    return ["".join(pad(each, width) for each in texts[at::below]).rstrip() for at in range(below)]


def bye(session: Session, _argument: str) -> None:
    """Leave."""
    session.leaving = True


COMMANDS: tuple[Command, ...] = (
    Command("help", ("?",), "[COMMAND]", "this list, or all of a command", help_),
    Command("model", (), "[NAME]", "switch the model; list the models", model.model),
    Command("system", (), "[TEXT]", "the system prompt from here on", model.system),
    Command("set", (), "[KEY VALUE]", "the model's options and ours", model.set_),
    Command("show", (), "[WHAT]", "what is in force; what was said", model.show),
    Command("think", (), "[LEVEL]", "how much it reasons; hide, show", model.think),
    Command("file", (), "[PATH]", "a file for the next question", text.file),
    Command("attach", (), "[PICTURE]", "a picture for the next question", text.attach),
    Command("template", (), "[NAME] [TEXT]", "a question by a template", text.template),
    Command("undo", (), "", "take the last question back", tree.undo),
    Command("retry", (), "", "ask again, keep both answers", tree.retry),
    Command("more", (), "", "go on with an answer that was cut", tree.more),
    Command("edit", (), "[N] [TEXT]", "change a question and ask it", tree.edit),
    Command("fork", (), "[N]", "go on after an earlier message", tree.fork),
    Command("branches", (), "[N]", "list the branches, go to one", tree.branches),
    Command("context", (), "", "tokens used, reserved, free", conversation.context),
    Command("compact", (), "", "fold what was said into a summary", conversation.compact),
    Command("save", (), "[FILE]", "the conversation as Markdown", conversation.save),
    Command("load", (), "[ID]", "go on with a kept conversation", conversation.load),
    Command("title", ("rename",), "[TEXT]", "name the conversation", conversation.title),
    Command("history", (), "[TEXT]", "the last conversations", conversation.history),
    Command("copy", (), "[N]", "an answer to the clipboard", text.copy),
    Command("doctor", (), "[WHAT]", "what is wrong here, and what mends it", doctor),
    Command("clear", (), "", "begin a new conversation", conversation.clear),
    Command("bye", ("exit", "quit"), "", "leave", bye),
)

_BY_NAME = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}


def find(name: str, argument: str = "") -> Command:
    """The command called `name`. Raises InvalidInput with the nearest one and `argument`."""
    command = _BY_NAME.get(name)
    if command is not None:
        return command
    near = next(iter(near_names(name, _BY_NAME)), None)
    raise InvalidInput(
        f"there is no command /{name}",
        hint="a question may begin with a space",
        command=f"/{near} {argument}".rstrip() if near is not None else "/help",
    )


def run_command(session: Session, name: str, argument: str) -> None:
    """Run the command `/name argument`. Raises InvalidInput, and what the command raises."""
    command = find(name, argument)
    if argument and not command.usage:
        raise InvalidInput(f"/{command.name} takes nothing, not {argument!r}")
    command.run(session, argument)

"""What begins with a slash: the table of the session's commands, and `/help`, which shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from localai.commands.session import branch_commands as branch
from localai.commands.session import conversation_commands as conversation
from localai.commands.session import model_commands as model
from localai.commands.session import settings
from localai.commands.session import text_commands as text
from localai.commands.session.state import Session
from localai.errors import InvalidInput
from localai.render.one_line import one_line
from localai.render.sink import width

KEYS = (
    ("Enter", "ask"),
    ("Alt-Enter", 'a new line; so does """ until it is closed by """'),
    ("Ctrl-C", "stop the answer, or clear the line; twice quickly leaves"),
    ("Ctrl-D", "leave"),
    ("Ctrl-R", "search what was typed before; Up goes back in it"),
    ("Ctrl-X Ctrl-E", "write the question in $EDITOR"),
    ("Tab", "complete a command, a model, a file, a conversation"),
)


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its names, what it takes (nothing if `usage` is empty), what it does in a line,
    and the function that does it."""

    name: str
    aliases: tuple[str, ...]
    usage: str
    summary: str
    run: Callable[[Session, str], None]


def help_(_session: Session, argument: str) -> None:
    """The commands, the keys, or one command."""
    if argument == "keys":
        _print_rows(KEYS)
    elif argument:
        command = find(argument.removeprefix("/"))
        also = "".join(f", /{alias}" for alias in command.aliases)
        print(f"/{command.name} {command.usage}".rstrip() + also)
        print(f"  {command.summary}")
    else:
        rows = [(f"/{each.name} {each.usage}".rstrip(), each.summary) for each in COMMANDS]
        _print_rows([*rows, ("/help keys", "what the keyboard does")])


def _print_rows(rows: Sequence[tuple[str, str]]) -> None:
    for left, right in rows:
        print(f"  {left:<24}{one_line(right, width() - 27)}".rstrip())


def bye(session: Session, _argument: str) -> None:
    """Leave."""
    session.leaving = True


COMMANDS: tuple[Command, ...] = (
    Command("help", ("?",), "[COMMAND|keys]", "this list", help_),
    Command(
        "model", (), "[NAME]", "switch the model, also in mid-conversation; or list", model.model
    ),
    Command("system", (), "[TEXT|none]", "the system prompt from here on", model.system),
    Command("set", (), "[KEY VALUE|default]", "model options, ctx, usage; or list", settings.set_),
    Command(
        "show",
        (),
        f"[{'|'.join(model.KINDS_OF_SHOW)}]",
        "what is in force; what was said",
        model.show,
    ),
    Command(
        "think", (), "[LEVEL|hide|show]", "how much it reasons, and whether you see it", model.think
    ),
    Command("file", (), "[PATH|none]", "add a text file to the next question", text.file),
    Command("undo", (), "", "take the last question and answer back", branch.undo),
    Command("retry", (), "", "ask the last question again, keeping both answers", branch.retry),
    Command("edit", (), "[NUMBER] [TEXT]", "change a question and ask it instead", branch.edit),
    Command("fork", (), "[NUMBER]", "go on after an earlier message", branch.fork),
    Command("branches", (), "[NUMBER]", "list the branches, or go to one", branch.branches),
    Command("context", (), "", "tokens used, reserved and free", conversation.context),
    Command("compact", (), "", "fold what was said into a summary", conversation.compact),
    Command("save", (), "[FILE]", "write the conversation as Markdown", conversation.save),
    Command("load", (), "[ID]", "go on with a kept conversation", conversation.load),
    Command("title", (), "[TEXT]", "name the conversation", conversation.title),
    Command("history", (), "[TEXT]", "the last conversations, by title", conversation.history),
    Command("copy", (), "[NUMBER]", "the last answer to the clipboard", text.copy),
    Command("clear", (), "", "begin a new conversation", conversation.clear),
    Command("bye", ("exit", "quit"), "", "leave", bye),
)

_BY_NAME = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}


def find(name: str) -> Command:
    """The command called `name`. Raises InvalidInput with a near name."""
    command = _BY_NAME.get(name)
    if command is not None:
        return command
    from difflib import get_close_matches

    near = get_close_matches(name, _BY_NAME, n=1)
    raise InvalidInput(
        f"there is no command /{name}",
        hint=f"/{near[0] if near else 'help'} (a question may begin with a space)",
    )


def run_command(session: Session, name: str, argument: str) -> None:
    """Do what `/name argument` says. Raises InvalidInput, and what the command raises."""
    command = find(name)
    if argument and not command.usage:
        raise InvalidInput(f"/{command.name} takes nothing, not {argument!r}")
    command.run(session, argument)

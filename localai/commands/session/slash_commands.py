"""What begins with a slash: a table of the session's commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from localai.commands.session.state import Session
from localai.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its names, what it takes, what it does in a line, and the function."""

    name: str
    aliases: tuple[str, ...]
    usage: str
    summary: str
    run: Callable[[Session, str], None]


def _help(session: Session, _argument: str) -> None:
    for command in COMMANDS:
        print(f"  /{command.name} {command.usage}  {command.summary}")


def _bye(session: Session, _argument: str) -> None:
    session.leaving = True


COMMANDS: tuple[Command, ...] = (
    Command("help", ("?",), "[COMMAND]", "this list", _help),
    Command("bye", ("exit", "quit"), "", "leave; Ctrl-D does too", _bye),
)

_BY_NAME = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}


def run_command(session: Session, name: str, argument: str) -> None:
    """Do what `/name argument` says. Raises InvalidInput where there is no such command."""
    command = _BY_NAME.get(name)
    if command is None:
        from difflib import get_close_matches

        near = get_close_matches(name, _BY_NAME, n=1)
        hint = f"/{near[0]}" if near else "/help"
        raise InvalidInput(
            f"there is no command /{name}", hint=f"{hint} (a question may begin with a space)"
        )
    command.run(session, argument)

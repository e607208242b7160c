"""The command line: `main`, the one place where an error becomes text and an exit code.

A command's module is imported only when that command runs; `--help` reads the table of commands.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from importlib import import_module
from itertools import dropwhile, takewhile
from typing import Any

import typer
from typer.core import TyperGroup

from localai import __version__
from localai.commands.common_options import Airgap, Debug
from localai.commands.empty_words import refuse_empty_words
from localai.commands.examples import OF_VERBS, epilog
from localai.commands.first_word import spelled_out, unknown_command
from localai.commands.help_width import HelpContext
from localai.commands.plain_words import put_into_words
from localai.commands.single_dash import tell_single_dashes
from localai.commands.table import COMMANDS, Row
from localai.commands.usage_errors import misplaced_option, usage_error
from localai.commands.verbs import DEFAULT_COMMAND, HELP_OPTIONS, Verbs
from localai.dataclass import dataclass
from localai.errors import (
    Interrupted,
    InvalidInput,
    LocalaiError,
    NotFound,
    find_localai_error,
    system_error,
)
from localai.output.streams import drop_what_is_left, prepare_streams
from localai.signals import end_tidily

# Typed as a plain text, so that mypy checks the branches of every system.
_PLATFORM: str = sys.platform
_NOT_FOR_WINDOWS = NotFound(
    "localai runs on Linux and macOS: what keeps its engine private is not there on Windows itself",
    hint="it runs in WSL 2, the Linux inside Windows; install it there",
    command="wsl --install",
)


_BY_NAME = {row.name: row for row in COMMANDS}
_NAMES = frozenset({*_BY_NAME, "ls"})


_COMPLETES = "_LOCALAI_COMPLETE"
"""The variable in which a shell's script says who asks (`commands/completing.py`)."""
_ANYWHERE = ("airgap", "debug")
"""The root command's options that may stand behind the name of a command as well."""


class LazyGroup(Verbs):
    """The root command: its subcommands are the table, each imported when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the table's order."""
        return [row.name for row in COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, imported now; None if there is none of that name."""
        row = _BY_NAME.get("list" if cmd_name == "ls" else cmd_name)
        if row is None:
            return None
        # Typer asks twice; a command with many options takes milliseconds to make.
        if row.name not in self.commands:
            self.commands[row.name] = self._made(row)
        return self.commands[row.name]

    def _made(self, row: Row) -> Any:
        command = _command(row.name)
        command.name = row.name
        command.epilog = epilog(row.example, row.name)
        command.help = command.help or f"{row.summary[0].upper()}{row.summary[1:]}."
        for verb, example in OF_VERBS.get(row.name, {}).items():
            if (each := getattr(command, "commands", {}).get(verb)) is not None:
                each.epilog = epilog(example, row.name)
        self._add_options(command)
        return command

    def unknown(self, ctx: Any, args: list[str]) -> InvalidInput:
        """The error for a word that is no command."""
        return unknown_command(args, _BY_NAME)

    def _add_options(self, command: Any) -> None:
        """Let the root's options stand behind `command`, too, and describe its own --help in
        words."""
        for parameter in self.params:
            if parameter.name in _ANYWHERE:
                repeated = copy(parameter)
                repeated.hidden, repeated.expose_value = True, False  # type: ignore[attr-defined]
                command.params.append(repeated)
        command.context_class = HelpContext
        put_into_words(command)
        tell_single_dashes(command)
        refuse_empty_words(command)
        if _COMPLETES in os.environ:
            from localai.commands.completing import attach

            attach(command)
        for subcommand in getattr(command, "commands", {}).values():
            self._add_options(subcommand)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The table, by group, with an example each, which stays one line to be copied."""
        from textwrap import wrap

        width = max(len(row.name) for row in COMMANDS)
        groups = dict.fromkeys(row.group for row in COMMANDS)
        for group in groups:
            formatter.write(f"\n{group}\n")
            for row in COMMANDS:
                if row.group == group:
                    first, *more = wrap(row.summary, max(20, formatter.width - width - 4))
                    formatter.write(f"  {row.name:<{width}}  {first}\n")
                    formatter.write("".join(f"  {'':<{width}}  {line}\n" for line in more))
                    formatter.write(f"  {'':<{width}}    $ {row.example}\n")


app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,
    add_completion=False,
    context_settings=HELP_OPTIONS,
    help="Run AI on your own machine. Nothing leaves it unless you have said so.",
    epilog='localai help COMMAND tells more of each, localai "a question" asks it.',
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"localai {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "-V", "--version", callback=_show_version, is_eager=True, help="Show the version."
    ),
    airgap: Airgap = False,
    debug: Debug = False,
) -> None:
    """Run AI on your own machine. Nothing leaves it unless you have said so."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    if _PLATFORM == "win32":
        given = list(sys.argv[1:] if arguments is None else arguments)
        return _report(_NOT_FOR_WINDOWS, _NOT_FOR_WINDOWS, given)
    from localai.privacy import guard
    from localai.process_limits import keep_within_limits

    guard.install()
    prepare_streams()
    if (shell := os.environ.get(_COMPLETES)) is not None:
        return _complete(sys.argv[1:] if arguments is None else list(arguments), shell)
    given = spelled_out(sys.argv[1:] if arguments is None else arguments, _NAMES)
    try:
        keep_within_limits()
        _require_utf8(given)
        with end_tidily():
            return _run(given)
    except BrokenPipeError:
        return _end_quietly()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  the one place for all errors
        return _report(error, _as_localai_error(error, guard.last_refusal(), given), given)
    finally:
        drop_what_is_left()


def _complete(words: list[str], shell: str) -> int:
    """Answer a shell's question what may stand at its cursor."""
    from localai.commands.completing import complete

    with suppress(Exception):  # A broken command completes nothing, and is said when it runs.
        typer.echo("\n".join(complete(words, shell, typer.main.get_command(app))))
    return 0


def _require_utf8(arguments: list[str]) -> None:
    """Raise InvalidInput for an argument that is not UTF-8: it can be neither asked nor stored."""
    for number, argument in enumerate(arguments, start=1):
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput(
                f"argument {number} is not UTF-8: {os.fsencode(argument)!r}",
                hint="convert it first: iconv -f latin1 -t utf-8",
            ) from error


def _run(arguments: list[str]) -> int:
    try:
        return _dispatch(arguments)
    except SystemExit as leaving:
        # Typer turns a closed pipe into exit 1; localai ends quietly instead.
        if isinstance(leaving.__context__, BrokenPipeError):
            raise leaving.__context__ from None
        raise


def _dispatch(arguments: list[str]) -> int:
    result = typer.main.get_command(app).main(
        arguments, prog_name="localai", standalone_mode=False, obj=tuple(arguments)
    )
    sys.stdout.flush()
    return result if isinstance(result, int) else 0


def _end_quietly() -> int:
    """The reader of our output has left. That is no error, and nobody is there to be told."""
    drop_what_is_left()
    return 0


def _as_localai_error(
    error: BaseException, refusal: LocalaiError | None, given: Sequence[str]
) -> LocalaiError:
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return Interrupted("interrupted")
    known = find_localai_error(error)
    if known is not None:
        return known
    if refusal is not None:
        # An SDK swallowed the guard's refusal and raised something of its own.
        return refusal
    if isinstance(error, typer.TyperException):
        return _usage_error(error, given)
    if refused := system_error(error):
        return refused
    return LocalaiError(
        f"this is a bug in localai: {type(error).__name__}: {error}",
        hint="run it again with --debug for the traceback",
    )


def _command(name: str) -> Any:
    """The command of that name, imported now."""
    return typer.main.get_command(import_module(_BY_NAME[name].module).app)


def _usage_error(error: typer.TyperException, given: Sequence[str]) -> InvalidInput:
    context = getattr(error, "ctx", None)
    option = getattr(error, "option_name", None)
    if context is not None and context.command_path == "localai" and option:
        return misplaced_option(option, given, _NAMES, _command)
    if context is not None:
        return usage_error(error, context.command_path.removesuffix(f" {DEFAULT_COMMAND}"), given)
    return usage_error(error, _read(list(given)).path, given)


def _report(raised: BaseException, error: LocalaiError, arguments: list[str]) -> int:
    from localai.output.output import Output

    wanted = _read(arguments)
    if wanted.debug:
        import traceback

        traceback.print_exception(raised)
    try:
        Output(wanted.command, as_json=wanted.as_json).error(error)
    except OSError:  # stdout cannot take the document of the failure.
        drop_what_is_left()
        Output(wanted.command).error(error)
    return error.exit_code


@dataclass(slots=True)
class _Wanted:
    """How a failed command line wants its failure to be shown. `path` is the command with its
    group, as it is typed: `localai config set`."""

    command: str = "localai"
    path: str = "localai"
    as_json: bool = False
    debug: bool = False


def _read(arguments: list[str]) -> _Wanted:
    """Read `arguments` by the commands' own parsers, which here forgive what cannot be parsed.

    If no command is named, `--json` anywhere before a `--` is taken for the flag.
    """
    wanted = _Wanted()
    command: Any = typer.main.get_command(app)
    while True:
        context = typer.Context(command, resilient_parsing=True, ignore_unknown_options=True)
        values, rest, _ = command.make_parser(context).parse_args(list(arguments))
        given = {flag for each in command.params if values.get(each.name) for flag in each.opts}
        wanted.as_json |= "--json" in given
        wanted.debug |= "--debug" in given
        if not isinstance(command, TyperGroup):
            return wanted
        given_here = takewhile(lambda argument: argument != "--", arguments)
        arguments = list(dropwhile(lambda argument: argument.startswith("-"), rest))
        child: Any = None
        with suppress(Exception):  # The import of a broken command fails here once more.
            child = command.get_command(context, arguments[0]) if arguments else None
        if child is None:
            wanted.as_json |= "--json" in given_here
            return wanted
        if wanted.command == "localai":
            wanted.command = child.name
        wanted.path = f"{wanted.path} {child.name}"
        command, arguments = child, arguments[1:]

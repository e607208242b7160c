"""The table of commands, and `main`: the one place where an error becomes text and an exit code.

A command's module is imported only when that command runs; `--help` reads this table.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import typer
from typer.core import TyperGroup

from localai import __version__
from localai.errors import Interrupted, InvalidInput, LocalaiError, find_localai_error


@dataclass(frozen=True, slots=True)
class Row:
    """A command: where its code is, what it does, and a line to try."""

    name: str
    group: str
    summary: str
    example: str

    @property
    def module(self) -> str:
        """The module that holds its Typer app, as `app`."""
        return f"localai.commands.{self.name}"


COMMANDS: tuple[Row, ...] = (
    Row(
        "chat",
        "Talk",
        "ask a model: a session, one shot, or a pipe",
        'git diff | localai chat "review"',
    ),
    Row(
        "batch",
        "Talk",
        "answer a file of prompts, and go on after a break",
        "localai batch prompts.jsonl -o answers.jsonl",
    ),
    Row(
        "history",
        "Talk",
        "find, show, export and delete conversations",
        'localai history search "that regex"',
    ),
    Row(
        "template",
        "Talk",
        "questions to ask again: review, commit, translate, your own",
        "git diff --staged | localai chat -t commit",
    ),
    Row(
        "setup",
        "Models",
        "from nothing to a verified answer, in one command",
        "localai setup",
    ),
    Row(
        "pull",
        "Models",
        "fetch a model, verified, into this machine's library",
        "localai pull starter",
    ),
    Row("list", "Models", "every model that could answer, and where", "localai list"),
    Row("show", "Models", "what a model is, takes and would do", "localai show qwen3:8b"),
    Row("rm", "Models", "remove models", "localai rm qwen3:8b"),
    Row("cp", "Models", "a second name, no second gigabyte", "localai cp qwen3:8b mine"),
    Row("dedupe", "Models", "the same bytes once on the disk", "localai dedupe --dry-run"),
    Row(
        "quantize",
        "Models",
        "a smaller model of a large one",
        "localai quantize ./model-f16.gguf --to q4_k_m",
    ),
    Row(
        "hardware",
        "Models",
        "what this machine is: memory, bandwidth, GPUs",
        "localai hardware",
    ),
    Row(
        "recommend",
        "Models",
        "which models suit this machine, and how fast",
        "localai recommend --task code",
    ),
    Row("ps", "Engine", "the models in memory", "localai ps"),
    Row("stop", "Engine", "unload a model", "localai stop --all"),
    Row("privacy", "Trust", "what may leave this machine, and what did", "localai privacy"),
    Row("cost", "Trust", "what the calls so far used and cost", "localai cost --by model"),
    Row("config", "Settings", "show and change settings", "localai config set model qwen3:8b"),
    Row("completion", "Settings", "the shell's completion script", "localai completion bash"),
)

_BY_NAME = {row.name: row for row in COMMANDS}
# What hands know from elsewhere.
_ALIASES = {"ls": "list"}


class LazyGroup(TyperGroup):
    """The root command: its subcommands are the table, each imported when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the table's order."""
        return [row.name for row in COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, imported now; None if there is none of that name."""
        row = _BY_NAME.get(cmd_name)
        if row is None:
            return None
        command = typer.main.get_command(import_module(row.module).app)
        command.name = row.name
        command.epilog = command.epilog or f"Example:  {row.example}"
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As Typer's, but aliases are known and a misspelt name gets our own error."""
        args = [_ALIASES.get(args[0], args[0]), *args[1:]] if args else args
        if args and not args[0].startswith("-") and args[0] not in _BY_NAME:
            from localai.near_names import near_names

            near = near_names(args[0], _BY_NAME)
            raise InvalidInput(
                f"there is no command {args[0]!r}",
                command=f"localai {near[0]}" if near else "localai --help",
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The table, by group, with an example each."""
        width = max(len(row.name) for row in COMMANDS)
        groups = dict.fromkeys(row.group for row in COMMANDS)
        for group in groups:
            formatter.write(f"\n{group}\n")
            for row in COMMANDS:
                if row.group == group:
                    formatter.write(f"  {row.name:<{width}}  {row.summary}\n")
                    formatter.write(f"  {'':<{width}}    $ {row.example}\n")


app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="Run AI on your own machine. Nothing leaves it unless you have said so.",
    epilog="localai COMMAND --help tells more of each.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"localai {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version."
    ),
    airgap: bool = typer.Option(
        False, "--airgap", help="Run the whole command where the kernel has no network."
    ),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
) -> None:
    """Run AI on your own machine. Nothing leaves it unless you have said so."""
    # `main` takes --airgap and --debug out of the arguments, so that they may stand anywhere.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    from localai.privacy import guard

    guard.install()
    if isinstance(sys.stdout, TextIOWrapper):
        # What its encoding cannot say becomes a question mark, not a traceback.
        sys.stdout.reconfigure(errors="replace")
    arguments, switches = _take_switches(sys.argv[1:] if arguments is None else arguments)
    try:
        if "--airgap" in switches:
            from localai.privacy.sandbox import airgap_reexec

            airgap_reexec(["--airgap", *arguments])
        return _run(arguments)
    except BrokenPipeError:
        return _end_quietly()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  the one place for all errors
        if "--debug" in switches:
            import traceback

            traceback.print_exc()
        return _report(_as_localai_error(error, guard.last_refusal()), arguments)


def _take_switches(arguments: Sequence[str]) -> tuple[list[str], set[str]]:
    """The arguments without the switches that may stand anywhere before a `--`, and those."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    switches = {argument for argument in arguments[:end] if argument in ("--airgap", "--debug")}
    kept = [argument for argument in arguments[:end] if argument not in switches]
    return [*kept, *arguments[end:]], switches


def _run(arguments: list[str]) -> int:
    try:
        return _dispatch(arguments)
    except SystemExit as leaving:
        # Typer turns a closed pipe into exit 1; that decision is ours.
        if isinstance(leaving.__context__, BrokenPipeError):
            raise leaving.__context__ from None
        raise


def _dispatch(arguments: list[str]) -> int:
    if "_LOCALAI_COMPLETE" in os.environ:
        # Typer registers its shells only where it adds options of its own for them.
        from typer._completion_classes import completion_init

        completion_init()
    result = typer.main.get_command(app).main(arguments, prog_name="localai", standalone_mode=False)
    sys.stdout.flush()
    return result if isinstance(result, int) else 0


def _end_quietly() -> int:
    """Whoever read our output has left; nothing is wrong, and nobody is there to be told."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _as_localai_error(error: BaseException, refusal: LocalaiError | None) -> LocalaiError:
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return Interrupted("interrupted")
    known = find_localai_error(error)
    if known is not None:
        return known
    if refusal is not None:
        # An SDK swallowed the guard's refusal and raised something of its own.
        return refusal
    if isinstance(error, typer.TyperException):
        return _usage_error(error)
    return LocalaiError(
        f"this is a bug in localai: {type(error).__name__}: {error}",
        hint="run it again with --debug for the traceback",
    )


def _usage_error(error: typer.TyperException) -> InvalidInput:
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    where = context.command_path if context is not None else "localai"
    return InvalidInput(message or "incomplete command", command=f"{where} --help")


def _report(error: LocalaiError, arguments: Sequence[str]) -> int:
    from localai.output.failure import show_failure

    named = (_ALIASES.get(argument, argument) for argument in arguments)
    command = next((name for name in named if name in _BY_NAME), "localai")
    as_json = "--json" in arguments
    try:
        show_failure(error, command, as_json=as_json)
    except BrokenPipeError:
        _end_quietly()
    return error.exit_code

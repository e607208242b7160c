"""Commands with verbs of their own (`config set`), and the parts that all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import Any, Final

import typer
from typer.core import TyperGroup

from localai.commands.help_width import HelpContext
from localai.errors import InvalidInput

HELP_OPTIONS: Final = {"help_option_names": ["-h", "--help"]}
"""Context settings of the root command; the others inherit them."""
_ALIASES: Final = {"ls": "list"}
# Names for the same act, here or in other programs; the first that a command has is meant.
_SAME_ACT: Final = (
    ("rm", "unset", "delete", "remove", "del"),
    ("new", "set", "add", "create"),
    ("show", "get", "cat", "view"),
    ("search", "find", "grep"),
    ("export", "dump"),
    ("edit", "change", "modify"),
    ("rename", "mv"),
)


class Verbs(TyperGroup):
    """A command of several verbs. Alone it runs its verb `alone`; if it has none, it shows its
    help, which is no error. `ls` is `list`, and the error for an unknown verb has the line to
    type. `elsewhere` are acts that a command of localai's own does: `preset rm` is `rm`."""

    context_class = HelpContext
    alone: str | None = None
    elsewhere: Mapping[str, str] = {}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Typer's parsing. Without arguments, run the verb `alone`; if there is none, show the
        help and end."""
        if not args and self.alone is not None:
            args = [self.alone]
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help())
            ctx.exit()
        return list(super().parse_args(ctx, args))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of the verb `name`; None if there is none."""
        return super().get_command(ctx, _ALIASES.get(cmd_name, cmd_name))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Typer's resolution, with our own error for an unknown verb."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise self.unknown(ctx, args)
        return super().resolve_command(ctx, args)

    def unknown(self, ctx: Any, args: list[str]) -> InvalidInput:
        """The error for an unknown verb."""
        from localai.near_names import near_names

        verb, *rest = args
        known = self.list_commands(ctx)
        acts = next((names for names in _SAME_ACT if verb in names), ())
        near = [each for each in acts if each in known] or near_names(verb, known)
        line = (*ctx.command_path.split(), *((near[0], *rest) if near else ("--help",)))
        if other := [self.elsewhere[each] for each in acts if each in self.elsewhere]:
            line = ("localai", *other, *rest)
        return InvalidInput(
            f"{ctx.command_path} has no {verb!r}: it has {', '.join(known)}", command=line
        )


DEFAULT_COMMAND: Final = "(default)"
"""The name of a DefaultCommandGroup's own command, which nobody types."""


class DefaultCommandGroup(Verbs):
    """A command with verbs beside its own action: `bench MODEL…` and `bench list`.

    A command line without one of its verbs is for DEFAULT_COMMAND, whose help is the group's.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Typer's parsing, with DEFAULT_COMMAND in front of arguments that name no verb."""
        if args and self.get_command(ctx, args[0]) is not None:
            return list(super().parse_args(ctx, args))
        asked = takewhile(lambda each: each != "--", args)
        if not ctx.resilient_parsing and any(each in ctx.help_option_names for each in asked):
            return list(super().parse_args(ctx, ["--help"]))
        return list(super().parse_args(ctx, [DEFAULT_COMMAND, *args]))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The usage of DEFAULT_COMMAND: `[OPTIONS] [MODELS]...`."""
        return list(self.commands[DEFAULT_COMMAND].collect_usage_pieces(ctx))

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """The help text of DEFAULT_COMMAND."""
        self.commands[DEFAULT_COMMAND].format_help_text(ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The options of DEFAULT_COMMAND, then the verbs."""
        self.commands[DEFAULT_COMMAND].format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

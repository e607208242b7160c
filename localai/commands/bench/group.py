"""A group of commands that is a command itself: `bench MODEL…` beside `bench list`."""

from __future__ import annotations

from itertools import takewhile
from typing import Any, Final

from typer.core import TyperGroup

RUN: Final = "run"
"""The command that runs where none of the others is named; it is not shown by its name."""


class OwnCommandGroup(TyperGroup):
    """What is no name of a subcommand is for the command `run`, whose help is the group's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` in front of what names no subcommand."""
        if args and args[0] in self.commands:
            return super().parse_args(ctx, args)
        asked = list(takewhile(lambda each: each != "--", args))
        if "--help" in asked and not ctx.resilient_parsing:
            return super().parse_args(ctx, ["--help"])
        return super().parse_args(ctx, [RUN, *args])

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Those of `run`: `[OPTIONS] [MODELS]...`."""
        return self.commands[RUN].collect_usage_pieces(ctx)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """That of `run`."""
        self.commands[RUN].format_help_text(ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The options of `run`, and then the subcommands."""
        self.commands[RUN].format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

"""A long option with one dash, as other tools write them: `-model x` is not `-m odel x`."""

from __future__ import annotations

from typing import Any

from localai.errors import InvalidInput


def tell_single_dashes(command: Any) -> None:
    """Have `command` raise InvalidInput for a word with one dash that is an option with two, with
    the line to type. Where errors are forgiven it does not."""
    make = command.make_parser
    command.make_parser = lambda context: _telling(make(context), context)


def _telling(parser: Any, context: Any) -> Any:
    if context.resilient_parsing:
        return parser
    forms = {form for each in context.command.params for form in each.opts}
    process = parser._process_opts

    def parsed(argument: str, state: Any) -> None:
        word = argument.partition("=")[0]
        if not word.startswith("--") and len(word) > 2 and f"-{word}" in forms:
            given = context.find_root().obj
            line = [f"-{each}" if each == argument else each for each in given]
            read_as = f" is read as {word[:2]} {word[2:]}" if word[:2] in forms else ""
            raise InvalidInput(
                f"{word}{read_as}: a long option has two dashes",
                command=("localai", *line),
            )
        process(argument, state)

    parser._process_opts = parsed
    return parser

"""What was wrong with a command line, in plain words, and which line was meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import typer

from localai.commands.options_of_other_tools import (
    LONG_OF_ONE_DASH,
    Instead,
    instead_of,
    with_other_option,
)
from localai.commands.plain_words import range_text
from localai.errors import InvalidInput
from localai.near_names import near_names
from localai.patterns import lazy_pattern

_EXAMPLE: Final = lazy_pattern(r"Example:  (.*)")
_PAIRS: Final = ("-o", "--option", "-p", "--param")
_NEGATIVE: Final = lazy_pattern(r"-\d[\d.]*\w*")


def usage_error(error: typer.TyperException, command: str, given: Sequence[str]) -> InvalidInput:
    """The fault of the command line `given` for `command` (`localai config set`), in plain words,
    with the line to type where it can be told."""
    message = _message(error, command)
    option = getattr(error, "option_name", None)
    if option is not None and message.endswith(f" has no option {option}"):
        return _unknown_option(error, message, option, command, given)
    if (line := _with_the_option(error, given) or _apart(error, given)) is not None:
        return InvalidInput(message, command=("localai", *line))
    is_of_words = type(error).__name__ == "MissingParameter" or " does not take: " in message
    example = _example(error) if is_of_words else None
    return InvalidInput(message, hint=example, command=f"{command} --help")


def _unknown_option(
    error: Any, message: str, option: str, command: str, given: Sequence[str]
) -> InvalidInput:
    number = _after_dashes(error, command, given)
    if number is not None:
        explained = f"{option} is read as an option: a value that begins with a dash comes after --"
        return InvalidInput(explained, command=("localai", *number))
    known = _forms(error.ctx.command) if error.ctx else set()
    # The parser takes `-ngl` for `-n -g -l`, and names the first of them that it does not know.
    option = next((e for e in given if e.startswith(option[:1]) and e in LONG_OF_ONE_DASH), option)
    meant = instead_of(option, given, known)
    if meant is not None:
        message = f"{command} has no option {option}"
        return InvalidInput(message, hint=meant.why, command=("localai", *_all(meant, known)))
    bare = {form.lstrip("-"): form for form in known if form.startswith("--")}
    near = [bare[each] for each in near_names(option[2:], bare)] if option[:2] == "--" else []
    line = with_other_option(option, near[0], given) if near else None
    if line is None:
        return InvalidInput(message, hint=_example(error), command=f"{command} --help")
    others = f"or did you mean {' or '.join(near[1:])}?" if near[1:] else None
    return InvalidInput(message, hint=others, command=("localai", *line))


def _all(meant: Instead, known: Collection[str]) -> tuple[str, ...]:
    """The line that was meant, its other unknown options replaced as well."""
    arguments = meant.arguments
    for option in arguments:
        if option.startswith("--") and option.partition("=")[0] not in known:
            other = instead_of(option.partition("=")[0], arguments, known)
            arguments = arguments if other is None else other.arguments
    return arguments


def _after_dashes(error: Any, command: str, given: Sequence[str]) -> tuple[str, ...] | None:
    """The line with `--` before its arguments, if one of them is a negative number and nothing else
    begins with a dash; None if that is not so, or `command` takes none."""
    if error.ctx is None or not any(
        each.param_type_name == "argument" for each in error.ctx.command.params
    ):
        return None
    words = tuple(command.split()[1:])
    dashed = [each for each in given if each.startswith("-")]
    if len(dashed) != 1 or not _NEGATIVE.fullmatch(dashed[0]):
        return None
    if tuple(given[: len(words)]) != words:
        return None
    return (*words, "--", *given[len(words) :])


def _with_the_option(error: Any, given: Sequence[str]) -> tuple[str, ...] | None:
    """The line with the required option that it lacks before a word too many: `quantize A TYPE` is
    `quantize A --to TYPE`. None if there is no such word."""
    parameter, context = getattr(error, "param", None), getattr(error, "ctx", None)
    is_missing = type(error).__name__ == "MissingParameter"
    if not is_missing or context is None or parameter is None:
        return None
    if parameter.param_type_name != "option":
        return None
    places = [at for at, each in enumerate(given[1:], 1) if not each.startswith("-")]
    arguments = [each for each in context.command.params if each.param_type_name == "argument"]
    if len(places) != len(arguments) + 1:
        return None
    last = places[-1]
    return (*given[:last], parameter.opts[-1], *given[last:])


def _apart(error: Any, given: Sequence[str]) -> tuple[str, ...] | None:
    """The line with `KEY=VALUE` as two words, where the command takes a key and a value and got
    one word; None elsewhere."""
    parameter = getattr(error, "param", None)
    is_missing = type(error).__name__ == "MissingParameter"
    if not is_missing or parameter is None or parameter.name != "value":
        return None
    key, equals, value = given[-1].partition("=")
    return (*given[:-1], key, value) if equals and key else None


def _example(error: Any) -> str | None:
    """The command's own example, for a line that lacks an argument or has too many."""
    context = getattr(error, "ctx", None)
    written = "" if context is None else context.command.epilog or ""
    found = _EXAMPLE.search(written)
    return None if found is None else f"for example: {found[1]}"


def _message(error: Any, command: str) -> str:
    text = str(getattr(error, "message", error))
    option = getattr(error, "option_name", None)
    parameter = getattr(error, "param", None)
    if text.startswith("No such option"):
        return f"{command} has no option {option}"
    if option is not None and "does not take a value" in text:
        return f"{option} takes no value"
    if option is not None and (found := re.search(r"requires (an argument|\d+ arguments)", text)):
        one = found[1] == "an argument"
        pair = ": KEY VALUE, or KEY=VALUE" if option in _PAIRS else ""
        return f"{option} needs {'a value' if one else f'two values{pair}'}"
    if text.startswith("Got unexpected extra argument"):
        extra = text.partition("(")[2].partition("(")[2].rstrip(").") or text
        return f"{command} does not take: {extra}"
    if parameter is None:
        return str(error.format_message() if hasattr(error, "format_message") else text)
    name = parameter.opts[-1] if parameter.param_type_name == "option" else parameter.metavar
    if type(error).__name__ == "MissingParameter":
        return f"{command} needs {'the option ' if name.startswith('-') else ''}{name}"
    given = re.match(r"'?(.*?)'? is not ", text)
    kind = {"int": "a whole number", "float": "a number"}.get(parameter.type.name.split()[0])
    if given is None or kind is None:
        return str(error.format_message())
    within = (
        f" ({range_text(parameter.type)})" if hasattr(parameter.type, "_describe_range") else ""
    )
    return f"{name} takes {kind}{within}, not {given[1]!r}"


def misplaced_option(
    option: str,
    given: Sequence[str],
    commands: Collection[str],
    command_of: Callable[[str], Any],
) -> InvalidInput:
    """The error for an option that stands before a command and is not one of the root's.
    `command_of` gives the command of a name."""
    message = f"{option} is no option of localai itself: a command's options stand behind its name"
    named = next((at for at, each in enumerate(given) if each in commands), None)
    if named is None and option == "-v":
        return InvalidInput(message, command="localai --version")
    if named is not None:
        behind = _behind(option, [*given[named:], *given[:named]], command_of(given[named]))
        line = (given[named], "--help") if behind is None else behind
        return InvalidInput(message, command=("localai", *line))
    is_chats = option in _forms(command_of("chat"))
    return InvalidInput(
        message, command=("localai", "chat", *given) if is_chats else "localai --help"
    )


def _behind(option: str, given: Sequence[str], command: Any) -> tuple[str, ...] | None:
    """The line that begins with the command, with what it calls the option; None if it has no such
    option."""
    known = _forms(command)
    if option in known:
        return tuple(given)
    meant = instead_of(option, given, known)
    return None if meant is None else meant.arguments


def _forms(command: Any) -> set[str]:
    return {form for each in command.params for form in each.opts}

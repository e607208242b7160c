"""The command-line parser's terms in plain words: the values that an option takes, and the fault of
a command line."""

from __future__ import annotations

import re
from typing import Any, Final

import typer

from localai.errors import InvalidInput

_METAVARS: Final = {
    "model": "MODEL",
    "models": "MODEL",
    "name": "NAME",
    "template": "NAME",
    "provider": "NAME",
    "prompt": "QUESTION",
    "prompts": "FILE",
    "file": "FILE",
    "answers": "FILE",
    "attachment": "FILE",
    "keep_alive": "TIME",
    "since": "WHEN",
    "start": "WHEN",
    "until": "WHEN",
    "older_than": "TIME",
    "key": "KEY",
    "value": "VALUE",
    "words": "WORD",
    "shell": "SHELL",
    "schema": "SCHEMA",
    "think": "LEVEL",
    "ctx": "TOKENS",
    "max_tokens": "TOKENS",
}
_BY_TYPE: Final = {"int": "N", "int range": "N", "float": "X", "float range": "X", "path": "FILE"}


def put_into_words(command: Any) -> None:
    """Make the help of `command` say in plain words which values each option and argument takes."""
    for parameter in command.params:
        if getattr(parameter, "is_flag", False):
            continue
        if parameter.metavar is None:
            fallback = _BY_TYPE.get(parameter.type.name, "TEXT")
            parameter.metavar = _METAVARS.get(parameter.name or "", fallback)
        if hasattr(parameter.type, "_describe_range"):
            words = _range(parameter.type)
            parameter.type._describe_range = lambda words=words: words
        if parameter.param_type_name == "argument":
            parameter.make_metavar = _argument_metavar(parameter)


def _argument_metavar(parameter: Any) -> Any:
    """The form of an argument in the help: `[QUESTION]…` if it may be left out and repeated."""
    text = str(parameter.metavar).removesuffix("…")
    repeated = "…" if parameter.nargs == -1 else ""

    def metavar(ctx: Any = None, *, usage: bool = False) -> str:
        return f"[{text}]{repeated}" if usage and not parameter.required else text + repeated

    return metavar


def _range(kind: Any) -> str:
    if kind.max is None:
        return f"at least {kind.min}"
    return f"at most {kind.max}" if kind.min is None else f"{kind.min} to {kind.max}"


def usage_error(error: typer.TyperException, command: str) -> InvalidInput:
    """The error for a command line of `command` (such as `localai config set`), in plain words."""
    message = _message(error, command)
    possible = [each for each in getattr(error, "possibilities", None) or () if each != "--"]
    near = f"did you mean {' or '.join(sorted(possible))}?" if possible else None
    return InvalidInput(message, hint=near, command=f"{command} --help")


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
        return f"{option} needs {'a value' if one else 'two values: KEY VALUE, or KEY=VALUE'}"
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
    within = f" ({_range(parameter.type)})" if hasattr(parameter.type, "_describe_range") else ""
    return f"{name} takes {kind}{within}, not {given[1]!r}"

"""The command-line parser's terms in plain words: the values that an option takes."""

from __future__ import annotations

from typing import Any, Final

_METAVARS: Final = {
    "id": "ID",
    "model": "MODEL",
    "models": "MODEL",
    "task": "TASK",
    "quant": "TYPE",
    "form": "FORMAT",
    "profile": "NAME",
    "source": "MODEL",
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
    "judge": "MODEL",
    "base": "MODEL",
    "like": "NAME",
    "names": "NAME",
    "cases": "NAME",
    "kv": "TYPE",
    "zone": "ZONE",
    "format_": "FORMAT",
    "platform": "NAME",
    "python": "VERSION",
    "bundle": "FOLDER",
    "offline": "FOLDER",
    "before": "RUN",
    "after": "RUN",
    "ids": "RUN",
    "fail_on": "SEVERITY",
    "by": "UNIT",
}
_BY_TYPE: Final = {"int": "N", "int range": "N", "float": "X", "float range": "X", "path": "FILE"}


def put_into_words(command: Any) -> None:
    """Make the help of `command` say in plain words which values each option and argument takes."""
    command.short_help = command.short_help or _first_sentence(command.help or "")
    for parameter in command.params:
        if getattr(parameter, "count", False):
            # How often it is given; "0" would say nothing.
            parameter.show_default = False
        if getattr(parameter, "is_flag", False):
            continue
        if parameter.metavar is None:
            fallback = _BY_TYPE.get(parameter.type.name, "TEXT")
            parameter.metavar = _METAVARS.get(parameter.name or "", fallback)
        if hasattr(parameter.type, "_describe_range"):
            words = range_text(parameter.type)
            parameter.type._describe_range = lambda words=words: words
        if parameter.param_type_name == "argument":
            parameter.make_metavar = _argument_metavar(parameter)


def _first_sentence(text: str) -> str:
    """What the list of a command's verbs says of one, whole: the parser would cut it."""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].rstrip(".") + "." if paragraph else ""


def _argument_metavar(parameter: Any) -> Any:
    """The form of an argument in the help: `[QUESTION]…` if it may be left out and repeated."""
    text = str(parameter.metavar).removesuffix("…")
    repeated = "…" if parameter.nargs == -1 else ""

    def metavar(ctx: Any = None, *, usage: bool = False) -> str:
        return f"[{text}]{repeated}" if usage and not parameter.required else text + repeated

    return metavar


def range_text(kind: Any) -> str:
    """The numbers that an option takes: `0 to 20`, `at least 1`."""
    if kind.max is None:
        return f"at least {kind.min}"
    return f"at most {kind.max}" if kind.min is None else f"{kind.min} to {kind.max}"

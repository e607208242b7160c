"""The meaning of a first word that is no command of ours.

`help NAME`, `version` and a question without its verb are expanded before anything is parsed. A
verb of another tool gets an error that names the command that does the same here. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import takewhile
from typing import Final

from localai.errors import Command, InvalidInput
from localai.near_names import near_names

_HELP: Final = ("help", "-h", "--help")


def spelled_out(arguments: Sequence[str], commands: Collection[str]) -> list[str]:
    """The command line that `arguments` stand for; `arguments` themselves if they begin with a
    command.

    `help pull` is `pull --help`, `version` is `--version`. A first word with a space in it was
    quoted in the shell: it is a question and goes to `chat`.
    """
    options = list(takewhile(lambda each: each.startswith("-") and each != "--", arguments))
    rest = list(arguments[len(options) :])
    if not rest or rest[0] in commands:
        return list(arguments)
    first, *others = rest
    if first == "help":
        return [*options, *(each for each in others if each not in _HELP), "--help"]
    if first == "version" and not others:
        return [*options, "--version"]
    if len(first.split()) > 1:
        return [*options, "chat", *rest]
    return list(arguments)


def _chat_with(rest: Sequence[str]) -> Command:
    return ("localai", "chat", *(("-m", rest[0], *rest[1:]) if rest else ()))


def _with(*verb: str) -> Callable[[Sequence[str]], Command]:
    return lambda rest: ("localai", *verb, *rest)


def _preset_of(rest: Sequence[str]) -> Command:
    """`create NAME -f FILE`, as Ollama makes a model of a Modelfile."""
    renamed = ("--modelfile" if each in ("-f", "--file") else each for each in rest)
    return ("localai", "preset", "new", *renamed)


_ELSEWHERE: Final[dict[str, Callable[[Sequence[str]], Command]]] = {
    "run": _chat_with,
    "ask": _with("chat"),
    "prompt": _with("chat"),
    "generate": _with("chat"),
    "models": _with("list"),
    "tags": _with("list"),
    "info": _with("show"),
    "inspect": _with("show"),
    "remove": _with("rm"),
    "delete": _with("rm"),
    "uninstall": lambda rest: ("localai", *(("rm", *rest) if rest else ("setup", "--uninstall"))),
    "download": _with("pull"),
    "get": _with("pull"),
    "install": lambda rest: ("localai", *(("pull", *rest) if rest else ("setup",))),
    "copy": _with("cp"),
    "logs": _with("history", "list"),
    "templates": _with("template", "list"),
    "presets": _with("preset", "list"),
    "settings": _with("config", "list"),
    "status": _with("ps"),
    "unload": _with("stop"),
    "init": _with("setup"),
    "version": lambda _: ("localai", "--version"),
    "create": _preset_of,
    "import": _with("pull"),
    "load": _chat_with,
    "search": _with("history", "search"),
    "aliases": _with("preset", "list"),
    "mv": _with("cp"),
}
"""Verbs of ollama, llm, lms, aichat, docker and pip, and the line that does the same here."""
_UPGRADE: Final = ("upgrade", "update", "self-update")
_NEEDLESS: Final[dict[str, str]] = {
    **dict.fromkeys(
        ("serve", "server", "start", "daemon"),
        "nothing has to be started: the engine begins with the first question, and ends by itself",
    ),
    **dict.fromkeys(("push", "publish", "upload"), "nothing is sent anywhere by localai"),
    **dict.fromkeys(
        ("keys", "login", "signin", "auth"),
        "no account is needed; a cloud's key comes from the environment, such as OPENAI_API_KEY",
    ),
}
"""Verbs of other tools for which there is nothing to do here, and why."""


def unknown_command(arguments: Sequence[str], commands: Collection[str]) -> InvalidInput:
    """The error for a first word that is no command, with the line to type instead."""
    first, *rest = arguments
    if not first.strip():
        return InvalidInput("there is nothing to ask", command='localai chat "hello"')
    message = f"there is no command {first!r}"
    if first in _UPGRADE:
        return InvalidInput(
            message,
            hint="a newer source is installed over this one by its own ./install.sh; "
            "a model that its publisher changed is pulled again",
            command=("localai", "pull", *rest) if rest else None,
        )
    if first in _NEEDLESS and len(rest) < 2:
        return InvalidInput(message, hint=_NEEDLESS[first], command="localai --help")
    # Ours first: of two that are equally near, the command is meant.
    known = {each: _with(each) for each in commands} | _ELSEWHERE
    if first in known:
        return InvalidInput(message, command=known[first](rest))
    near = near_names(first, known)
    if rest and not any(each.startswith("-") for each in rest) and _asks(arguments, near):
        return InvalidInput(
            message,
            hint="a question stands in quotation marks",
            command=("localai", "chat", " ".join(arguments)),
        )
    if near:
        return InvalidInput(message, command=known[near[0]](rest))
    return InvalidInput(
        message,
        hint=f"a question of one word is asked by: localai chat {first}",
        command="localai --help",
    )


def _asks(words: Sequence[str], near: Collection[str]) -> bool:
    """Whether `words` are rather a question than a misspelt command, which `near` are like."""
    return not near or words[0][:1].isupper() or words[-1].endswith("?")

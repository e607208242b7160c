"""The values that fit at the cursor of a command line, for the shells' scripts of `localai
completion`.

The words come as arguments, so no shell quoting has to be read. The reply is `files` if the shell
should complete file names. Otherwise it has a line for each value: the value, a tab, its
description. Nothing here connects, and after any failure there are no completions.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, get_args

from localai.config import SETTINGS, Config, load, model_key
from localai.options import SAMPLING_OPTIONS
from localai.paths import Paths, locate
from localai.types import Think, Zone

VARIABLE: Final = "_LOCALAI_COMPLETE"
"""In the environment while a shell asks, with the shell's name."""
_FILES: Final = "files"
_UNQUOTED: Final = " \t\"'`$\\!&;()<>|*?[]{}#~"
_IN_DOUBLE_QUOTES: Final = '"$`\\'
_MOST_CONVERSATIONS: Final = 50

Value = tuple[str, str]
"""A value, and what it is; the second may be empty."""


def complete(words: list[str], shell: str, root: Any) -> list[str]:
    """The lines of the reply for the command line `words`, whose last word is not finished yet.

    `root` is the root command. bash passes its command line as one text, because it splits words at
    characters that occur in models' names.
    """
    quote = ""
    breaks = 0
    if shell == "bash":
        words, quote, breaks = _bash_words(words[0] if words else "")
    current = words.pop() if words else ""
    if shell != "bash":
        current = current.lstrip("\"'") if current[:1] in "\"'" else current
    found = _completions(root, words, current)
    if found is None:
        return [_FILES]
    prefix = current[: current.index("=") + 1] if _is_joined(current) else ""
    lines = []
    for value, meaning in found:
        if any(ord(each) < 32 for each in value + meaning):
            continue
        typed = prefix + value
        if shell == "bash":
            shown = _escaped(typed, quote)
            if shown is not None:
                lines.append(shown[breaks:])
        else:
            lines.append(f"{typed}\t{meaning}")
    return lines


def _is_joined(current: str) -> bool:
    return current.startswith("--") and "=" in current


def _completions(root: Any, words: list[str], current: str) -> list[Value] | None:
    """The values; None if the shell should complete file names."""
    from typer._click.shell_completion import CompletionItem, ShellComplete

    class Asked(ShellComplete):
        name, source_template = "localai", ""

        def source_vars(self) -> dict[str, Any]:
            return {}

        def get_completion_args(self) -> tuple[list[str], str]:
            return words, current

        def format_completion(self, item: CompletionItem) -> str:
            return str(item.value)

    items = Asked(root, {}, "localai", VARIABLE).get_completions(words, current)
    if any(item.type == "file" for item in items):
        return None
    return [(str(item.value), item.help or "") for item in items]


def _bash_words(line: str) -> tuple[list[str], str, int]:
    """The words after the program's name, the quote that is open, and the part of the last word
    that bash counts as another word because of its COMP_WORDBREAKS."""
    body, quote = line, ""
    lexer = _unfinished(line)
    if lexer is None:
        for quote in ("'", '"'):
            lexer = _unfinished(body + quote)
            if lexer is not None:
                break
    words = lexer or []
    if line[-1:].isspace() and not quote:
        words.append("")
    current = words[-1] if words else ""
    breaks = [
        current.rfind(each) for each in os.environ.get("COMP_WORDBREAKS", ":=") if each in ":="
    ]
    # Within quotes, bash breaks no word.
    return words[1:], quote, 0 if quote else max(breaks, default=-1) + 1


def _unfinished(text: str) -> list[str] | None:
    try:
        return shlex.split(text)
    except ValueError:
        return None


def _escaped(value: str, quote: str) -> str | None:
    """`value` as bash must receive it while `quote` is open; None if it cannot be written so."""
    if quote == "'":
        return None if quote in value else value
    special = _IN_DOUBLE_QUOTES if quote else _UNQUOTED
    return "".join(f"\\{each}" if each in special else each for each in value)


def attach(command: Any) -> None:
    """Give the options and arguments of `command` their functions for completion."""
    for parameter in command.params:
        source = _SOURCES.get(parameter.name or "")
        if command.name in ("show", "edit", "rm", "new") and parameter.name == "name":
            source = _templates
        if source is not None:
            parameter._custom_shell_complete = _asking(source)


def _asking(source: Callable[[Any], Iterable[Value] | None]) -> Any:
    def asked(context: Any, parameter: Any, incomplete: str) -> list[Any]:
        from typer._click.shell_completion import CompletionItem

        try:
            found = source(context)
            values = None if found is None else list(found)
        except Exception:  # noqa: BLE001  a broken config completes nothing, and is said when it runs
            return []
        if values is None:
            return [CompletionItem(incomplete, type="file")]
        fitting = [each for each in values if each[0].startswith(incomplete)]
        if not fitting and parameter.name in _ALSO_FILES:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(value, help=meaning) for value, meaning in fitting]

    return asked


# Where the values come from.


def _settings() -> tuple[Paths, Config]:
    paths = locate()
    return paths, load(paths)


def _models(_context: Any) -> Iterator[Value]:
    from localai.stores.folders import stored_folders
    from localai.stores.inventory import stored_models
    from localai.stores.presets import list_presets

    paths, config = _settings()
    known = [(each.name, each.store) for each in stored_models(paths, os.environ)]
    known += [(each.name, each.store) for each in stored_folders(paths, os.environ)]
    yield from ((each.name, f"a preset of {each.base}") for each in list_presets(paths))
    yield from dict(known).items()
    yield from ((name, "an endpoint") for name in config.endpoints)


def _templates(_context: Any) -> Iterator[Value]:
    from localai.chat.templates import list_templates

    return ((each.name, each.description) for each in list_templates(locate()))


def _variables(context: Any) -> Iterator[Value]:
    from localai.chat.templates import find_template

    template = find_template(context.params.get("template") or "", locate())
    return ((f"{name}=", template.variables.get(name) or "") for name in template.names)


def _conversations(_context: Any) -> Iterator[Value]:
    from localai.chat.resume import recent_conversations

    rows = recent_conversations(locate().database, _MOST_CONVERSATIONS)
    return ((row.id, " ".join((row.title or "").split())[:60]) for row in rows)


def _providers(_context: Any) -> Iterator[Value]:
    from localai.providers.registry import provider_names

    return ((name, "") for name in provider_names(_settings()[1]))


def _keys(_context: Any) -> Iterator[Value]:
    yield from ((each.key, each.meaning) for each in SETTINGS)
    for name in _settings()[1].endpoints:
        yield f"endpoint.{name}.url", "a server of your own"
    for name, _ in _models(_context):
        yield f"models.{name}.chat_template", "a chat template in place of the model's own"


def _values(context: Any) -> Iterable[Value] | None:
    key = context.params.get("key") or ""
    sources: dict[str, Callable[[Any], Iterable[Value]]] = {
        "model": _models,
        "provider": _providers,
        "cloud.allow": _providers,
    }
    if model_key(key) is not None:
        return None
    if key in sources:
        return sources[key](context)
    kind = next((each.kind for each in SETTINGS if each.key == key), "")
    return [(choice, "") for choice in kind.split("|") if "|" in kind]


def _choices(*values: str) -> Callable[[Any], Iterable[Value]]:
    return lambda _context: [(value, "") for value in values]


def _options(_context: Any) -> Iterator[Value]:
    return ((f"{each.name}=", each.meaning) for each in SAMPLING_OPTIONS)


def _profiles(_context: Any) -> Iterable[Value]:
    from localai.hardware.profiles import profile_names

    return profile_names().items()


def _tasks(_context: Any) -> Iterator[Value]:
    from localai.recommend.catalogue import TASKS

    return ((task, "") for task in TASKS)


def _types(_context: Any) -> Iterator[Value]:
    from localai.formats.gguf_quantization import TYPES

    return ((name.lower(), "") for name in (*TYPES, "4bit", "8bit"))


def _files(_context: Any) -> None:
    return None


_ALSO_FILES: Final = ("model", "models", "source", "profile", "schema")
_SOURCES: Final[dict[str, Callable[[Any], Iterable[Value] | None]]] = {
    "model": _models,
    "models": _models,
    "source": _models,
    "template": _templates,
    "like": _templates,
    "parameter": _variables,
    "option": _options,
    "think": _choices(*get_args(Think)),
    "conversation": _conversations,
    "conversation_id": _conversations,
    "ids": _conversations,
    "provider": _providers,
    "zone": _choices(*(zone.label for zone in Zone), "unproven"),
    "key": _keys,
    "value": _values,
    "by": _choices("model", "day", "provider"),
    "format_": _choices("markdown", "json", "jsonl"),
    "task": _tasks,
    "profile": _profiles,
    "to": _types,
    "shell": _choices("bash", "zsh", "fish"),
    "keep_alive": _choices("5m", "1h", "0", "-1"),
    "schema": _files,
    "chat_template": _files,
    "file": _files,
    "attachment": _files,
    "prompts": _files,
    "answers": _files,
    "prompt": _choices(),
}

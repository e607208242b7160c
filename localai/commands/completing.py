"""The values that fit at the cursor of a command line, for the shells' scripts of `localai
completion`.

The words come as arguments, so no shell quoting has to be read. The reply is `files` if the shell
should complete file names. Otherwise it has a line for each value: the value, a tab, its
description. Nothing here connects, and after any failure there are no completions.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable
from typing import Any, Final

from localai.commands.completion_values import ALSO_FILES, TYPED, Value, source_of

VARIABLE: Final = "_LOCALAI_COMPLETE"
"""In the environment while a shell asks, with the shell's name."""
_FILES: Final = "files"
_UNQUOTED: Final = " \t\"'`$\\!&;()<>|*?[]{}#~"
_IN_DOUBLE_QUOTES: Final = '"$`\\'


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
    if words[:1] == ["help"]:
        words = words[1:]
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

    class Completer(ShellComplete):
        name, source_template = "localai", ""

        def source_vars(self) -> dict[str, Any]:
            return {}

        def get_completion_args(self) -> tuple[list[str], str]:
            return words, current

        def format_completion(self, item: CompletionItem) -> str:
            return str(item.value)

    items = Completer(root, {}, "localai", VARIABLE).get_completions(words, current)
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
    # localai.commands.bench.running: a name may mean another thing in another command.
    _, _, verb, *_ = f"{getattr(command.callback, '__module__', '')}...".split(".")
    for parameter in command.params:
        source = source_of(verb, parameter.name or "")
        if source is not None:
            parameter._custom_shell_complete = _asking(source)


def _asking(source: Callable[[Any], Iterable[Value] | None]) -> Any:
    def asked(context: Any, parameter: Any, incomplete: str) -> list[Any]:
        from typer._click.shell_completion import CompletionItem

        context.meta[TYPED] = incomplete
        try:
            found = source(context)
            values = None if found is None else list(found)
        except Exception:  # noqa: BLE001  a broken config completes nothing, and is said when it runs
            return []
        if values is None:
            return [CompletionItem(incomplete, type="file")]
        fitting = [each for each in values if each[0].startswith(incomplete)]
        if not fitting and parameter.name in ALSO_FILES:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(value, help=meaning) for value, meaning in fitting]

    return asked

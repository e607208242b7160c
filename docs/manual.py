"""Manual pages (man 1), made of the commands themselves as `--help` is, for docs/generate.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from localai import __version__
from localai.cli import app
from localai.commands.examples import GUIDES
from localai.commands.table import COMMANDS
from localai.commands.verbs import DEFAULT_COMMAND

_FILES = (
    ("~/.config/localai/config.toml", "the settings; `localai config path` prints where it is"),
    ("~/.local/share/localai", "models and conversations; LOCALAI_HOME moves all of it"),
)


def pages() -> dict[str, str]:
    """The pages by file name: `localai.1`, and `localai-chat.1` for each command."""
    root = typer.main.get_command(app)
    found = {"localai.1": _root_page(root)}
    for row in COMMANDS:
        command = root.get_command(typer.Context(root, info_name="localai"), row.name)
        found[f"localai-{row.name}.1"] = _page(row.name, row.summary, command)
    return found


def _root_page(root: Any) -> str:
    lines = [*_head("localai", "run AI on your own machine"), ".SH SYNOPSIS"]
    lines += [".B localai", r"[\fIOPTIONS\fR] \fICOMMAND\fR [\fIARGUMENTS\fR]", ".br"]
    lines += [".B localai", r"\fR\(dq\fIa question\fR\(dq", ".SH DESCRIPTION", _text(root.help)]
    lines += [".SH OPTIONS", *_options(root, "localai"), ".SH COMMANDS"]
    for row in COMMANDS:
        lines += [".TP", rf"\fBlocalai\-{_text(row.name)}\fR(1)", _text(row.summary)]
    lines.append(".SH FILES")
    for name, what in _FILES:
        lines += [".TP", rf"\fI{_text(name)}\fR", _text(what)]
    lines += [".SH EXIT STATUS", _text("docs/reference/exit-codes.md describes each; 0 is done.")]
    return "\n".join(lines) + "\n"


def _page(name: str, summary: str, command: Any) -> str:
    lines = [*_head(f"localai-{name}", summary), ".SH SYNOPSIS"]
    verbs = dict(getattr(command, "commands", {}))
    own = verbs.pop(DEFAULT_COMMAND, None if verbs else command)
    if own is not None:
        lines += _synopsis(own, f"localai {name}")
    for verb, each in verbs.items():
        lines += _synopsis(each, f"localai {name} {verb}")
    lines += [".SH DESCRIPTION", *_paragraphs((own or command).help or summary)]
    if own is not None:
        lines += [".SH OPTIONS", *_options(own, f"localai {name}")]
    for verb, each in verbs.items():
        lines += [f".SH {_text(f'localai {name} {verb}'.upper())}", *_paragraphs(each.help)]
        lines += _options(each, f"localai {name} {verb}")
    lines += [".SH EXAMPLES"]
    for each in (command, *verbs.values()):
        example = (each.epilog or "").partition("\n")[0].removeprefix("Example:  ")
        lines += [".PP", ".nf", _text(example), ".fi"] if example else []
    lines += [".SH SEE ALSO", r"\fBlocalai\fR(1)"]
    if name in GUIDES:
        lines.append(_text(f"and the guide docs/guides/{GUIDES[name]}.md"))
    return "\n".join(lines) + "\n"


def _head(name: str, summary: str) -> list[str]:
    title = f'.TH {_text(name.upper())} 1 "" "localai {__version__}" "localai"'
    return [title, ".SH NAME", rf"{_text(name)} \- {_text(summary)}"]


def _synopsis(command: Any, name: str) -> list[str]:
    pieces = command.collect_usage_pieces(typer.Context(command, info_name=name))
    return [rf"\fB{_text(name)}\fR {_text(' '.join(pieces))}", ".br"]


def _options(command: Any, name: str) -> Iterator[str]:
    context = typer.Context(command, info_name=name)
    for parameter in command.get_params(context):
        record = None if parameter.hidden else parameter.get_help_record(context)
        if record is not None:
            yield from (".TP", rf"\fB{_text(record[0])}\fR", _text(record[1]))


def _paragraphs(text: str | None) -> Iterator[str]:
    for paragraph in (text or "").split("\n\n"):
        yield from (".PP", _text(" ".join(paragraph.split())))


def _text(text: str | None) -> str:
    """The text as roff reads it: no character of it is a request or an escape."""
    escaped = (text or "").replace("\\", r"\e").replace("-", r"\-")
    ascii_text = "".join(each if each.isascii() else rf"\[u{ord(each):04X}]" for each in escaped)
    lines = ascii_text.split("\n")
    return "\n".join(rf"\&{line}" if line[:1] in (".", "'") else line for line in lines)

"""The question, gathered from its sources: arguments, stdin, files, pictures, template.

stdin's text comes before the argument, files come before both. The size of each file is shown on
stderr, so that the user sees what is sent. Nothing is cut.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from localai.chat.inputs import is_read_by_others, read_text
from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.output.terminal import is_terminal
from localai.types import Picture
from localai.units import bytes_text, counted

if TYPE_CHECKING:
    from localai.chat.inputs import TextFile
    from localai.chat.templates import Template
    from localai.output.output import Output


_SHOWN = 12
_ASK_ABOVE_TOKENS = 32_768
"""More than this of a folder is sent only after a question, or with --yes."""


@dataclass(frozen=True, slots=True)
class Question:
    """The question to ask, and the system prompt if a template has one.

    `title` is the title of a conversation that begins with the question; None if its first words
    are the title.
    """

    text: str
    pictures: tuple[Picture, ...] = ()
    system: str | None = None
    title: str | None = None


def gather_question(
    prompt: Sequence[str] | None,
    files: Sequence[TextFile],
    pictures: Sequence[Picture],
    template: Template | None,
    parameters: Mapping[str, str],
    output: Output,
    *,
    stdin_is_taken: bool = False,
) -> Question:
    """The whole question. `stdin_is_taken` says that a file or a picture came from stdin.

    Raises InvalidInput if there is no question, and what the template raises.
    """
    # A complete template does not wait for a person to type.
    waits = not files and not pictures and (template is None or not template.asks_by_itself)
    typed = " ".join(prompt) if prompt else ""
    piped = "" if stdin_is_taken else _piped(output, typed=bool(typed), waits=waits)
    text = "\n\n".join(part.strip("\n") for part in (piped, typed) if part.strip())
    title = typed or None
    if files:
        from localai.chat.inputs import with_files

        title = title or ", ".join(file.name for file in files)
        text = with_files(files, text)
    if template is not None:
        from localai.chat.filling import fill, title_of

        filled = fill(template, parameters, text)
        if not filled.prompt:
            raise InvalidInput(
                f"there is nothing to ask: the template {template.name} is a system prompt alone"
            )
        title = title_of(template, title or "", filled)
        return Question(filled.prompt, tuple(pictures), filled.system, title)
    if not text:
        if pictures:
            raise InvalidInput("there is nothing to ask about", hint='such as: "what is in it?"')
        raise InvalidInput("there is nothing to ask", command='localai chat "hello"')
    return Question(text, tuple(pictures), title=title)


def read_files(arguments: Sequence[str], output: Output, *, yes: bool = False) -> list[TextFile]:
    """The texts of the files of `-f`; their sizes are shown.

    Unless `yes`, a person is asked before more than 32,768 tokens of folders are sent. Raises
    NotFound, InvalidInput and Interrupted.
    """
    if not arguments:
        return []
    from localai.chat.file_arguments import gather_files, some_of
    from localai.files import is_folder, user_path

    gathered = gather_files(arguments)
    largest = sorted(gathered.files, key=lambda each: -each.size_bytes)[:_SHOWN]
    for file in (each for each in gathered.files if each in largest):
        pages = "" if file.pages is None else f", {counted(file.pages, 'page')}"
        size, tokens = bytes_text(file.size_bytes), counted(file.about_tokens, "token")
        output.note(f"{file.name}: {size}{pages}, about {tokens}")
    total = sum(file.about_tokens for file in gathered.files)
    if (more := len(gathered.files) - _SHOWN) > 0:
        output.note(f"and {more} smaller ones: together about {counted(total, 'token')}")
    if gathered.left_out:
        names = ", ".join(gathered.left_out[:3]) + (", …" if len(gathered.left_out) > 3 else "")
        output.note(f"{len(gathered.left_out)} left out, which are no text: {names}")
    if gathered.unreadable:
        output.warn(f"left out, for they cannot be read: {some_of(gathered.unreadable)}")
    for remark in gathered.remarks:
        output.note(remark)
    has_folder = any(is_folder(user_path(each)) for each in arguments)
    if has_folder and total > _ASK_ABOVE_TOKENS and not yes:
        amount = f"{counted(len(gathered.files), 'file')} with about {counted(total, 'token')}"
        output.confirm(
            f"Send {amount}?",
            unasked=InvalidInput(
                f"{amount} are more than is sent unasked", hint="name fewer, or give --yes"
            ),
            declined="nothing was sent",
        )
    return list(gathered.files)


def read_pictures(names: Sequence[str], output: Output) -> dict[str, Picture]:
    """The pictures of `-a`, by their names; their sizes are shown. Raises NotFound and
    InvalidInput."""
    if not names:
        return {}
    from localai.chat.inputs import read_picture

    pictures = {name: read_picture(name) for name in names}
    for name, picture in pictures.items():
        output.note(f"{name}: {picture.media_type}, {bytes_text(len(picture.data))}")
    return pictures


def _piped(output: Output, *, typed: bool, waits: bool) -> str:
    """The text on stdin, if there is any. Beside a typed question its size is shown, because a loop
    of the shell may have wanted the text for itself."""
    if sys.stdin is None or (is_terminal(sys.stdin) and (typed or not waits)):
        return ""
    if typed and is_read_by_others(sys.stdin.buffer):
        output.note("stdin is left to the loop that reads it (</dev/null says so, too)")
        return ""
    waits_for = "reading stdin (</dev/null if nothing comes) …"
    text = read_text(sys.stdin.buffer, on_wait=lambda: output.note(waits_for))
    if typed and text.strip():
        lines, tokens = text.count("\n") or 1, -(-len(text.encode()) // 4)
        output.note(f"stdin: {counted(lines, 'line')}, about {counted(tokens, 'token')}")
    return text

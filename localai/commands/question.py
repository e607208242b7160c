"""What is asked, gathered from where the user put it: arguments, stdin, files, pictures, template.

stdin's text comes before the argument, files before both. Each file's size is said on stderr:
nothing is cut, and what is sent is seen.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localai.chat.inputs import read_text
from localai.errors import InvalidInput
from localai.output.terminal import is_terminal
from localai.types import Image
from localai.units import bytes_text, count_text

if TYPE_CHECKING:
    from localai.chat.inputs import TextFile
    from localai.chat.templates import Template
    from localai.output.output import Output


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask, and the system prompt where a template has one."""

    text: str
    images: tuple[Image, ...] = ()
    system: str | None = None


def gather_question(
    prompt: Sequence[str] | None,
    files: Sequence[TextFile],
    images: Sequence[Image],
    template: Template | None,
    parameters: Mapping[str, str],
    output: Output,
) -> Question:
    """The whole question. Raises InvalidInput where there is none, and as the template does."""
    # A template that says it all does not wait for a person to type.
    waits = not files and not images and (template is None or template.wants_input)
    text = _typed_and_piped(prompt, output, waits=waits)
    if files:
        from localai.chat.inputs import with_files

        text = with_files(files, text)
    if template is not None:
        from localai.chat.templates import fill

        filled = fill(template, parameters, text)
        return Question(filled.prompt, tuple(images), filled.system)
    if not text:
        if images:
            raise InvalidInput("there is nothing to ask about", hint='such as: "what is in it?"')
        raise InvalidInput("there is nothing to ask", command='localai chat "hello"')
    return Question(text, tuple(images))


def read_files(patterns: Sequence[str], output: Output) -> list[TextFile]:
    """The files of `-f`, their sizes said. Raises NotFound, InvalidInput."""
    if not patterns:
        return []
    from localai.chat.inputs import read_text_files

    files = read_text_files(patterns)
    for file in files:
        pages = "" if file.pages is None else f", {file.pages} pages"
        size, tokens = bytes_text(file.size_bytes), count_text(file.about_tokens)
        output.note(f"{file.name}: {size}{pages}, about {tokens} tokens")
    return files


def read_images(names: Sequence[str], output: Output) -> list[Image]:
    """The pictures of `-a`, their sizes said. Raises NotFound, InvalidInput."""
    if not names:
        return []
    from localai.chat.inputs import read_image

    images = [read_image(name) for name in names]
    for name, image in zip(names, images, strict=True):
        output.note(f"{name}: {image.media_type}, {bytes_text(len(image.data))}")
    return images


def _typed_and_piped(prompt: Sequence[str] | None, output: Output, *, waits: bool) -> str:
    parts = [" ".join(prompt)] if prompt else []
    if sys.stdin is not None and ((waits and not parts) or not is_terminal(sys.stdin)):
        waits_for = "reading stdin (</dev/null if nothing comes) …"
        parts.insert(0, read_text(sys.stdin.buffer, on_wait=lambda: output.note(waits_for)))
    return "\n\n".join(part for part in (part.strip("\n") for part in parts) if part.strip())

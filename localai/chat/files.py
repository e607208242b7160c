"""Text files that go along with a question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localai.chat.incoming import LIMIT_BYTES, decode
from localai.errors import InvalidInput, NotFound

_FENCES = re.compile(r"^\s*(`{3,})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file's name as the user gave it, and its whole text."""

    name: str
    text: str


def read_text_file(name: str) -> TextFile:
    """The file at that path, `~` being the home. Raises NotFound, and InvalidInput for a folder,
    a file that is not text, or one of more than 64 MiB."""
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {name!r}", hint=f"ls {path.parent}") from error
    except OSError as error:
        raise InvalidInput(f"cannot read {name!r}: {error.strerror}") from error
    if len(content) > LIMIT_BYTES:
        raise InvalidInput(f"{name} has more than {LIMIT_BYTES // 1024 // 1024} MiB")
    return TextFile(name, decode(content, name))


def with_files(files: Sequence[TextFile], question: str) -> str:
    """The question, after the files that it is about, each under its name in a fence."""
    return "\n\n".join([*map(_fenced, files), question])


def _fenced(file: TextFile) -> str:
    longest = max(map(len, _FENCES.findall(file.text)), default=2)
    fence = "`" * (longest + 1)
    return f"{file.name}:\n{fence}\n{file.text.rstrip()}\n{fence}"

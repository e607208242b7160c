"""Files that go along with a question: text, code, and the text of PDFs."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localai.chat.pdf import MAGIC, pdf_text
from localai.chat.text_input import LIMIT_BYTES, decode
from localai.errors import InvalidInput, NotFound

_FENCES = re.compile(r"^\s*(`{3,})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file's name as the user gave it, and its whole text; `pages` of a PDF."""

    name: str
    text: str
    pages: int | None = None

    @property
    def size_bytes(self) -> int:
        """Of its text, in UTF-8."""
        return len(self.text.encode("utf-8", "replace"))

    @property
    def about_tokens(self) -> int:
        """An estimate: text and code have about four bytes a token."""
        return -(-self.size_bytes // 4)


def read_text_files(patterns: Sequence[str]) -> list[TextFile]:
    """The files at those paths, and all that match those of them that are globs (`src/**/*.py`),
    each once. Raises NotFound where nothing matches, and what `read_text_file` raises."""
    names = dict.fromkeys(name for pattern in patterns for name in _matching(pattern))
    return [read_text_file(name) for name in names]


def _matching(pattern: str) -> list[str]:
    path = str(Path(pattern).expanduser())
    if not glob.has_magic(pattern) or Path(path).exists():
        return [pattern]
    names = sorted(each for each in glob.glob(path, recursive=True) if Path(each).is_file())  # noqa: PTH207  a pattern may be absolute
    if not names:
        raise NotFound(f"no file matches {pattern!r}")
    return names


def read_text_file(name: str) -> TextFile:
    """The file at that path, `~` being the home; of a PDF its text. Raises NotFound, and
    InvalidInput for a folder, a file that is neither, or one of more than 64 MiB."""
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {name!r}", command=("ls", path.parent)) from error
    except OSError as error:
        raise InvalidInput(f"cannot read {name!r}: {error.strerror}") from error
    if len(content) > LIMIT_BYTES:
        raise InvalidInput(f"{name} has more than {LIMIT_BYTES // 1024 // 1024} MiB")
    if content.startswith(MAGIC):
        return TextFile(name, *pdf_text(content, name))
    return TextFile(name, decode(content, name))


def with_files(files: Sequence[TextFile], question: str) -> str:
    """The question, after the files that it is about, each under its name in a fence."""
    return "\n\n".join(filter(None, [*map(_fenced, files), question]))


def _fenced(file: TextFile) -> str:
    longest = max(map(len, _FENCES.findall(file.text)), default=2)
    fence = "`" * (longest + 1)
    return f"{file.name}:\n{fence}\n{file.text.rstrip()}\n{fence}"

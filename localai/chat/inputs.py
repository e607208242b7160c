"""The texts and pictures that are read for a question: stdin, text files, PDFs, images.

A text has at most 64 MiB, a picture 32 MiB. On stdin a text is UTF-8 unless it says otherwise. A
file's encoding is recognised, and the user is told (`chat.encodings`). Everything else is an error
that names the byte, never a replacement character. Nothing is cut.
"""

from __future__ import annotations

import os
import re
import select
import shlex
import stat
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from localai.chat.encodings import decode, recognised
from localai.chat.pdf import is_pdf, pdf_text, ranges
from localai.dataclass import dataclass
from localai.errors import InvalidInput, NotFound
from localai.files import content_of, missing_file, user_path
from localai.patterns import lazy_pattern
from localai.types import Picture
from localai.units import mebibytes_text
from localai.wires.pictures import kind_of, require_bounded

LIMIT_BYTES = 64 * 1024 * 1024
_OWN_LIMIT_BYTES = 4 * 1024 * 1024
_SILENCE_S = 2.0
# Not \s, which would look through all blank lines again from each of them.
_FENCES = lazy_pattern(r"^[^\S\n]*(`{3,})", re.MULTILINE)
_FENCE_OF_FILE = lazy_pattern(r"[^\n]+:\n`{3,}\n")
_FENCED = lazy_pattern(r"(?P<name>[^\n]+):\n(?P<fence>`{3,})\n.*?\n(?P=fence)\n\n", re.DOTALL)
_PICTURE_LIMIT_BYTES = 32 * 1024 * 1024


def read_text(stream: BinaryIO, *, on_wait: Callable[[], None]) -> str:
    """All of `stream` as text.

    `on_wait` is called once if a pipe stays silent for two seconds: a program that inherited an
    open stdin by accident would otherwise hang without a word. Raises InvalidInput.
    """
    descriptor = stream.fileno()
    if _may_stay_silent(descriptor) and not select.select([descriptor], [], [], _SILENCE_S)[0]:
        on_wait()
    content = stream.read(LIMIT_BYTES + 1)
    if len(content) > LIMIT_BYTES:
        raise InvalidInput(
            f"stdin has more than {mebibytes_text(LIMIT_BYTES)}",
            hint="give a part of it: head -c 1M FILE | localai chat",
        )
    return decode(content, "stdin")


def read_stdin() -> str:
    """All of stdin as text, once. Raises InvalidInput."""
    if sys.stdin is None:
        raise InvalidInput("stdin is closed")
    return read_text(sys.stdin.buffer, on_wait=lambda: None)


def is_read_by_others(stream: BinaryIO) -> bool:
    """Whether another process has read a part of the file that `stream` is: a loop of the shell's,
    such as `while read line; do localai chat "$line"; done <FILE`, which needs the rest itself."""
    try:
        status = os.fstat(stream.fileno())
        return stat.S_ISREG(status.st_mode) and os.lseek(stream.fileno(), 0, os.SEEK_CUR) > 0
    except OSError:
        return False


def _may_stay_silent(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file's name as the user gave it, and its whole text. `pages` is the number of a PDF's
    pages. `remarks` are what the user should know of how it was read."""

    name: str
    text: str
    pages: int | None = None
    remarks: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """The size of its text in UTF-8."""
        return len(self.text.encode("utf-8", "replace"))

    @property
    def about_tokens(self) -> int:
        """An estimate: text and code have about four bytes a token."""
        return -(-self.size_bytes // 4)


def read_text_file(name: str) -> TextFile:
    """The text of the file at that path, with `~` for the home; a PDF's text is extracted. Raises
    NotFound, and InvalidInput for a folder, a file that is neither text nor PDF, or one of more
    than 64 MiB."""
    content = _content_of(name, LIMIT_BYTES)
    if is_pdf(content):
        found = pdf_text(content, name)
        return TextFile(name, found.text, found.pages, _textless(found.textless))
    text, encoding = recognised(content, name)
    if encoding is None:
        return TextFile(name, text)
    return TextFile(name, text, remarks=(f"read as {encoding}, by its bytes: it does not say so",))


def _textless(pages: tuple[int, ...]) -> tuple[str, ...]:
    if not pages:
        return ()
    which = f"page {pages[0]} has" if len(pages) == 1 else f"pages {ranges(pages)} have"
    return (f"{which} no text: a picture, or blank (ocrmypdf IN OUT adds text)",)


def file_text(file: Path, what: str) -> str:
    """The text in a `file` of localai's own formats; errors call it `what`. Raises NotFound,
    InvalidInput."""
    missing = NotFound(f"there is no {what.removeprefix('the ')} {str(file)!r}")
    return decode(content_of(file, _OWN_LIMIT_BYTES, missing=missing), f"{what} {file}")


def _content_of(name: str, most_bytes: int) -> bytes:
    return content_of(user_path(name), most_bytes, missing=missing_file(Path(name)))


def with_files(files: Sequence[TextFile], question: str) -> str:
    """The question, after the files that it is about. Each file stands under its name in a
    fence."""
    return "\n\n".join(filter(None, [*map(_fenced, files), question]))


def without_files(text: str) -> str:
    """The question of a text that `with_files` made, followed by the files' names; any other text
    as it is."""
    names, rest = [], text
    while (found := _FENCED.match(rest)) is not None:
        names.append(found["name"])
        rest = rest[found.end() :]
    asks = rest.strip() and _FENCE_OF_FILE.match(rest) is None
    return f"{rest} ({', '.join(names)})" if names and asks else text


def _fenced(file: TextFile) -> str:
    longest = max(map(len, _FENCES.findall(file.text)), default=2)
    fence = "`" * (longest + 1)
    return f"{_on_one_line(file.name)}:\n{fence}\n{file.text.rstrip()}\n{fence}"


def _on_one_line(name: str) -> str:
    """A file's name without characters that could end its line, and so begin a text outside of the
    fence."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in name)


def read_picture(name: str) -> Picture:
    """The picture at that path, or on stdin for `-`. Raises NotFound, and InvalidInput if it is no
    PNG, JPEG, GIF or WebP, or has more than 32 MiB or 200 million pixels."""
    content = _picture_bytes(name)
    if (kind := kind_of(content)) is not None:
        require_bounded(content, name)
        return Picture(content, kind.media_type)
    raise InvalidInput(
        f"{name} is no picture that models read (PNG, JPEG, GIF, WebP)",
        hint=f"a text or a PDF is added by -f {shlex.quote(name)}",
    )


def _picture_bytes(name: str) -> bytes:
    if name != "-" or sys.stdin is None:
        return _content_of(name, _PICTURE_LIMIT_BYTES)
    if sys.stdin.isatty():
        raise InvalidInput("- is stdin, and no picture can be typed", hint="-a FILE")
    content = sys.stdin.buffer.read(_PICTURE_LIMIT_BYTES + 1)
    if len(content) > _PICTURE_LIMIT_BYTES:
        raise InvalidInput(f"stdin has more than {mebibytes_text(_PICTURE_LIMIT_BYTES)}")
    return content

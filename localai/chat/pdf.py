"""The text of a PDF: its pages and the fields of its forms, and what of it has none."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.signals import limited
from localai.units import counted

if TYPE_CHECKING:
    from pypdf import PdfReader

_BEGIN: Final = b"%PDF-"
# How far from the beginning readers look for it, and from the end for what must be there
# (PDF Reference 1.7, implementation notes 13 and 18): mail programs and printers put bytes around.
_AROUND_BYTES: Final = 1024
# A damaged one can take a time that grows with the square of its size. A whole one has been read at
# 100 KB a second and more, on a slow machine.
_LEAST_S: Final = 5.0
_LEAST_BYTES_PER_S: Final = 10_000


@dataclass(frozen=True, slots=True)
class PdfText:
    """The text of all pages, a blank line between two, then that of its form; how many `pages`
    there are, and which of them, counted from 1, have no text (`textless`): pictures, or blank."""

    text: str
    pages: int
    textless: tuple[int, ...]


def is_pdf(content: bytes) -> bool:
    """Whether it is a PDF, also with bytes before its beginning."""
    if content.startswith(_BEGIN):
        return True
    return _BEGIN in content[:_AROUND_BYTES] and b"startxref" in content[-_AROUND_BYTES:]


def pdf_text(content: bytes, name: str) -> PdfText:
    """Its text. Raises InvalidInput for a file that is damaged, locked, takes too long to read, or
    has no text at all. Of the main thread only (`signals.limited`)."""
    import logging

    from pypdf import PdfReader
    from pypdf.errors import PdfReadError, PyPdfError

    # It warns of every oddity of a file that it can read all the same.
    logging.getLogger("pypdf").setLevel(logging.ERROR)
    longest_s = _LEAST_S + len(content) / _LEAST_BYTES_PER_S
    try:
        with limited(longest_s):
            # Offsets within count from its beginning.
            reader = PdfReader(io.BytesIO(content[content.find(_BEGIN) :]))
            if reader.is_encrypted and not reader.decrypt(""):
                raise InvalidInput(
                    f"{name} is locked with a password",
                    hint="take its password away: qpdf --decrypt IN OUT",
                )
            pages = [page.extract_text().strip() for page in reader.pages]
            fields = _fields(reader)
    except InvalidInput:
        raise
    except TimeoutError as error:
        raise InvalidInput(
            f"{name} cannot be read as a PDF: it takes more than {longest_s:.0f} s",
            hint="it may be read once it is mended: qpdf IN OUT",
        ) from error
    except (PyPdfError, PdfReadError) as error:
        raise InvalidInput(f"{name} is a damaged PDF: {error}") from error
    except RecursionError as error:
        raise InvalidInput(f"{name} is a damaged PDF: it is nested too deeply") from error
    except Exception as error:  # a parser of a format like this meets files that nobody foresaw
        raise InvalidInput(f"{name} cannot be read as a PDF: {error}") from error
    text = _encodable("\n\n".join([*filter(None, pages), *filter(None, [fields])]))
    if not text:
        raise InvalidInput(
            f"{name} has {counted(len(pages), 'page')} and no text in it: only pictures",
            hint="add the text: ocrmypdf IN OUT",
        )
    return PdfText(text, len(pages), tuple(n for n, page in enumerate(pages, 1) if not page))


def ranges(numbers: tuple[int, ...]) -> str:
    """2, 5–7 for (2, 5, 6, 7)."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _fields(reader: PdfReader) -> str:
    """What is filled into its form, a line a field; empty where nothing is."""
    found = (reader.get_fields() or {}).items()
    lines = [f"{name}: {_value(field.value)}" for name, field in found if _value(field.value)]
    return "\n".join(["Form fields:", *lines]) if lines else ""


def _value(value: object) -> str:
    """A text, or a choice; a box that is not ticked is /Off."""
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    text = "" if value is None else str(value)
    return "" if text == "/Off" else text.removeprefix("/").strip()


def _encodable(text: str) -> str:
    """Half a character, as broken fonts give it, is none."""
    return text.encode("utf-8", "replace").decode()

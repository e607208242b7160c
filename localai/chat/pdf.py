"""The text of a PDF file."""

from __future__ import annotations

import io
import logging

from localai.errors import InvalidInput

MAGIC = b"%PDF-"


def pdf_text(content: bytes, name: str) -> tuple[str, int]:
    """The text of all pages, a blank line between two, and how many pages there are.

    Raises InvalidInput for a file that is damaged, locked, or has pictures of text only.
    """
    from pypdf import PdfReader
    from pypdf.errors import PdfReadError, PyPdfError

    # It warns of every oddity of a file that it can read all the same.
    logging.getLogger("pypdf").setLevel(logging.ERROR)
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise InvalidInput(
                f"{name} is locked with a password",
                hint="take its password away: qpdf --decrypt IN OUT",
            )
        pages = [page.extract_text() for page in reader.pages]
    except InvalidInput:
        raise
    except (PyPdfError, PdfReadError) as error:
        raise InvalidInput(f"{name} is a damaged PDF: {error}") from error
    except Exception as error:  # a parser of a format like this meets files that nobody foresaw
        raise InvalidInput(f"{name} cannot be read as a PDF: {error}") from error
    text = "\n\n".join(page.strip() for page in pages if page.strip())
    if not text:
        raise InvalidInput(
            f"{name} has {len(pages)} pages and no text in them: they are pictures",
            hint="add the text: ocrmypdf IN OUT",
        )
    return text, len(pages)

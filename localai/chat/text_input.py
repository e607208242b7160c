"""What comes in on stdin: text, with a clear rule for what is not.

The rule: UTF-8, or UTF-16 that says so with a byte-order mark; at most 64 MiB; nothing with a NUL
byte. Everything else is an error that names the byte, never a replacement character.
"""

from __future__ import annotations

import codecs
import os
import select
import stat
from collections.abc import Callable
from typing import BinaryIO

from localai.errors import InvalidInput

LIMIT_BYTES = 64 * 1024 * 1024
_PATIENCE_S = 2.0


def read_text(stream: BinaryIO, *, on_wait: Callable[[], None]) -> str:
    """All of `stream` as text.

    `on_wait` is called once if a pipe stays silent for two seconds: a program that inherited an
    open stdin by accident would otherwise hang without a word. Raises InvalidInput.
    """
    descriptor = stream.fileno()
    if _may_stay_silent(descriptor) and not select.select([descriptor], [], [], _PATIENCE_S)[0]:
        on_wait()
    content = stream.read(LIMIT_BYTES + 1)
    if len(content) > LIMIT_BYTES:
        raise InvalidInput(
            f"stdin has more than {LIMIT_BYTES // 1024 // 1024} MiB",
            hint="give a part of it: head -c 1M FILE | localai chat",
        )
    return decode(content, "stdin")


def _may_stay_silent(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def decode(content: bytes, source: str) -> str:
    """`content` as text; `source` is how an error calls it. Raises InvalidInput."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig"
        nul = content.find(b"\0")
        if nul >= 0:
            raise InvalidInput(
                f"{source} is binary (a NUL byte at offset {nul})",
                hint="give text; `strings FILE | localai chat` shows what is in a binary",
            )
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{source} is not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start}",
            hint="convert it first: iconv -f latin1 -t utf-8",
        ) from error

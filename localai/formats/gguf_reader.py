"""Reading a GGUF header from a file that may be hostile: a moving buffer with a cursor, in bounds.

Knows numbers, strings and how much may be read and kept; not what a header is made of
(`gguf_container` does). Every fault is an InvalidInput that names the file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import repeat
from operator import length_hint
from typing import Any, Final, NoReturn

from localai.errors import InvalidInput
from localai.units import mebibytes_text

ReadAt = Callable[[int, int], bytes]
"""`read(offset, length)`: at least one byte from `offset` on, or b"" at the end. It may give
fewer or more than `length`."""

MAX_HEADER_BYTES: Final = 256 << 20
MAX_KEPT_BYTES: Final = 32 << 20
_CUT: Final = "is truncated: it ends inside its own header"
_FIRST_READ_BYTES: Final = 256 << 10
_LARGEST_READ_BYTES: Final = 8 << 20
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


class HeaderReader:
    """A moving view of the file: a buffer, where it starts, and the cursor inside it."""

    __slots__ = ("_next_read", "_read", "buffer", "kept", "limit", "name", "offset", "start")

    def __init__(self, read: ReadAt, name: str, size_bytes: int | None) -> None:
        self._read = read
        self.limit = MAX_HEADER_BYTES if size_bytes is None else min(size_bytes, MAX_HEADER_BYTES)
        self._next_read = _FIRST_READ_BYTES
        self.name = name
        self.buffer = b""
        self.start = 0
        self.offset = 0
        self.kept = 0

    @property
    def position(self) -> int:
        """Where the next byte is read from."""
        return self.start + self.offset

    def refuse(self, what: str) -> NoReturn:
        """Raise the InvalidInput that names the file and says `what` is wrong with it."""
        raise InvalidInput(
            f"{self.name} {what}",
            hint="the file is damaged or not a model: fetch it again from its source",
            check="models",
        )

    def need(self, length: int) -> None:
        """Make sure that the buffer has `length` bytes from the cursor on."""
        if self.offset + length <= len(self.buffer):
            return
        if self.position + length > self.limit:
            self._refuse_overrun()
        rest = self.buffer[self.offset :]
        if self.offset > len(self.buffer):
            rest = b""
        self.start, self.offset = self.position, 0
        parts, have = [rest], len(rest)
        while have < length:
            wanted = min(max(self._next_read, length - have), self.limit - self.start - have)
            chunk = self._read(self.start + have, wanted)
            if not chunk:
                self.refuse(_CUT)
            self._next_read = min(self._next_read * 2, _LARGEST_READ_BYTES)
            parts.append(chunk)
            have += len(chunk)
        self.buffer = b"".join(parts)

    def _refuse_overrun(self) -> NoReturn:
        if self.limit == MAX_HEADER_BYTES:
            self.refuse(f"has a header of more than {mebibytes_text(MAX_HEADER_BYTES)}")
        self.refuse(_CUT)

    def keep(self, size_bytes: int) -> None:
        """Count `size_bytes` that stay in memory."""
        self.kept += size_bytes
        if self.kept > MAX_KEPT_BYTES:
            self.refuse(f"has more than {mebibytes_text(MAX_KEPT_BYTES)} of metadata")

    def unpack(self, layout: struct.Struct) -> tuple[Any, ...]:
        """The next values, of this layout."""
        self.need(layout.size)
        values = layout.unpack_from(self.buffer, self.offset)
        self.offset += layout.size
        return values

    def u32(self) -> int:
        """The next unsigned 32-bit integer."""
        value: int = self.unpack(_U32)[0]
        return value

    def u64(self) -> int:
        """The next unsigned 64-bit integer."""
        value: int = self.unpack(_U64)[0]
        return value

    def string(self, limit: int, what: str) -> str:
        """The next string, of at most `limit` bytes; `what` names it in the error."""
        length = self.u64()
        if length > limit:
            self.refuse(f"has a {what} of {length} bytes, more than {limit}")
        self.keep(length)
        self.need(length)
        end = self.offset + length
        text = self.buffer[self.offset : end].decode("utf-8", "replace")
        self.offset = end
        return text

    def skip(self, length: int) -> None:
        """Skip `length` bytes, which need not be read."""
        if self.position + length > self.limit:
            self._refuse_overrun()
        self.offset += length

    def skip_strings(self, count: int) -> None:
        """Skip `count` strings. A vocabulary has 50,000 to 260,000 of them, so this loop is nearly
        all the time that a header takes: 50 ns a string."""
        if self.position + 8 * count > self.limit:
            self._refuse_overrun()
        left = count
        unpack = _U64.unpack_from
        while left:
            self.need(8)
            buffer, offset = self.buffer, self.offset
            strings = repeat(None, left)
            left = 0
            try:
                for _ in strings:
                    offset += unpack(buffer, offset)[0] + 8
            except (struct.error, OverflowError):  # the buffer ends here
                left = length_hint(strings) + 1
            self.offset = offset
        self.skip(0)

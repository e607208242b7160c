"""What the bytes of a picture say: its type, and how many pixels it unpacks to. Pure.

Nothing is unpacked here. An engine does that, and a file of 30 MB may be of ten thousand million
pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput

MOST_PIXELS: Final = 200_000_000
"""600 MB once it is unpacked; models look at a hundredth of that."""

# Start of frame: 0xC0 to 0xCF but for three others.
_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class PictureKind:
    """A type of picture: the bytes that identify it, their place, and where its size stands."""

    media_type: str
    magic: bytes
    offset: int
    size: Callable[[bytes], tuple[int, int]]


def kind_of(data: bytes) -> PictureKind | None:
    """The type of the picture `data`; None if it is no PNG, JPEG, GIF or WebP."""
    return next((each for each in _KINDS if data.startswith(each.magic, each.offset)), None)


def require_bounded(data: bytes, name: str) -> None:
    """Raise InvalidInput if the picture `data`, called `name`, unpacks to more than 200 million
    pixels."""
    kind = kind_of(data)
    try:
        width, height = (0, 0) if kind is None else kind.size(data)
    except (struct.error, IndexError):
        # It is cut, so nobody can unpack it.
        return
    if width * height > MOST_PIXELS:
        raise InvalidInput(
            f"{name} is of {width:,} × {height:,} pixels, more than the {MOST_PIXELS:,} that are"
            " given to a model",
            hint="make it smaller first: 2,000 pixels a side are plenty",
        )


def _png(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _gif(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _webp(data: bytes) -> tuple[int, int]:
    match data[12:16]:
        case b"VP8X":
            wide, high = data[24:27], data[27:30]
            return int.from_bytes(wide, "little") + 1, int.from_bytes(high, "little") + 1
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case _:
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF


def _jpeg(data: bytes) -> tuple[int, int]:
    """The largest of its frames: a thumbnail may come first."""
    at, largest = 2, (0, 0)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or 0xD0 <= marker <= 0xD8 or marker == 1:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            largest = max(largest, (width, height), key=lambda size: size[0] * size[1])
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return largest


_KINDS: Final = (
    PictureKind("image/png", b"\x89PNG\r\n\x1a\n", 0, _png),
    PictureKind("image/jpeg", b"\xff\xd8\xff", 0, _jpeg),
    PictureKind("image/gif", b"GIF8", 0, _gif),
    PictureKind("image/webp", b"WEBP", 8, _webp),
)

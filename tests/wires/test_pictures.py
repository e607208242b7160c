"""What a picture's bytes say of its size, before anybody unpacks it."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path

import pytest

from localai.chat.inputs import read_picture
from localai.errors import InvalidInput
from localai.wires.parts import picture_of_url
from localai.wires.pictures import kind_of, require_bounded


def _png(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + head + struct.pack(">I", zlib.crc32(head))


def _jpeg(width: int, height: int) -> bytes:
    thumbnail = b"\xff\xe0\0\x10JFIF" + bytes(10)
    frame = b"\xff\xc2\0\x11\x08" + struct.pack(">HH", height, width) + bytes(10)
    return b"\xff\xd8" + thumbnail + b"\xff\xff\xdb\0\x03x" + frame + b"\xff\xd9"


def _gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(10)


def _webp(kind: bytes, size: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + kind + size + bytes(10)


def _extended(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return _webp(b"VP8X", bytes(8) + sides)


def _lossless(width: int, height: int) -> bytes:
    return _webp(b"VP8L", bytes(5) + struct.pack("<I", (width - 1) | (height - 1) << 14))


def _lossy(width: int, height: int) -> bytes:
    return _webp(b"VP8 ", bytes(10) + struct.pack("<HH", width, height))


_MAKERS = [_png, _jpeg, _gif, _extended, _lossless, _lossy]


@pytest.mark.parametrize("make", _MAKERS)
def test_a_bomb_is_refused_by_what_its_header_says(make: object, tmp_path: Path) -> None:
    assert callable(make)
    small, bomb = make(4000, 3000), make(16_000, 15_999)
    require_bounded(small, "it")
    with pytest.raises(InvalidInput, match=r"16,000 × 15,999 pixels"):
        require_bounded(bomb, "it")
    file = tmp_path / "a.png"
    file.write_bytes(bomb)
    with pytest.raises(InvalidInput, match="pixels"):
        read_picture(str(file))
    with pytest.raises(InvalidInput, match="pixels"):
        picture_of_url("data:image/png;base64," + base64.b64encode(bomb).decode())
    for length in range(len(bomb)):
        cut = bomb[:length]
        try:
            require_bounded(cut, "it")
        except InvalidInput:
            assert length >= 10


@pytest.mark.parametrize("written", ["text/html", "image/png\r\nX: y", "image/png)", "", "IMAGE"])
def test_a_type_that_is_none_is_read_from_the_bytes(written: str) -> None:
    content = base64.b64encode(_gif(5, 5)).decode()
    assert picture_of_url(f"data:{written};base64,{content}").media_type == "image/gif"


def test_a_text_is_no_picture() -> None:
    assert kind_of(b"hello") is None
    require_bounded(b"hello", "it")

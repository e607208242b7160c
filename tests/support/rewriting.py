"""A GGUF file as it is but for some of its metadata and layers; its vocabulary is copied unread."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from pathlib import Path

from localai.formats.gguf_rewriting import header_bytes, integer_metadata, open_gguf, padding

_STRING = 8


def rewrite(
    source: Path, target: Path, metadata: Mapping[str, str | int], *, layers: int | None = None
) -> None:
    """Write the file `source` at `target` with these values, and with its first `layers` only."""
    with open_gguf(source) as whole, target.open("wb") as file:
        header = whole.container
        kept = [whole.metadata(key) for key in header.metadata if key not in metadata]
        changed = [_entry(key, value) for key, value in metadata.items()]
        tensors = [
            tensor
            for tensor in header.tensors
            if layers is None
            or (match := re.match(r"blk\.(\d+)\.", tensor.name)) is None
            or int(match[1]) < layers
        ]
        file.write(header_bytes([*kept, *changed], tensors, header.alignment))
        for tensor in tensors:
            file.write(whole.data(tensor) + padding(tensor.size_bytes, header.alignment))


def _entry(key: str, value: str | int) -> bytes:
    if isinstance(value, int):
        return integer_metadata(key, value)
    name, text = key.encode(), value.encode()
    length = struct.Struct("<Q").pack
    return length(len(name)) + name + struct.pack("<I", _STRING) + length(len(text)) + text

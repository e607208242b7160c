"""A GGUF file made of another's bytes: its metadata as they stand there, tensors of new types.

Nothing of a vocabulary is decoded, so that 50,000 tokens take no longer than one. Layout:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from localai.dataclass import dataclass
from localai.formats.gguf_container import Container, TensorInfo, parse
from localai.formats.quantization_types import TENSOR_TYPE_OF_NAME

_VERSION: Final = 3
_UINT32: Final = 4


@dataclass(frozen=True, slots=True)
class GgufSource:
    """A file that is open, and what its header says."""

    file: BinaryIO
    container: Container

    def metadata(self, key: str) -> bytes:
        """The key and its value as they stand in the file."""
        begin, end = self.container.places[key]
        return self._read(begin, end - begin)

    def data(self, tensor: TensorInfo) -> bytes:
        """The bytes of one of its tensors."""
        return self._read(self.container.data_offset + tensor.offset, tensor.size_bytes)

    def _read(self, offset: int, length: int) -> bytes:
        self.file.seek(offset)
        return self.file.read(length)


@contextmanager
def open_gguf(path: Path) -> Iterator[GgufSource]:
    """The file at `path`, until the end of the block. Raises InvalidInput, OSError."""
    with path.open("rb") as file:

        def read(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        yield GgufSource(file, parse(read, str(path), path.stat().st_size))


def integer_metadata(key: str, value: int) -> bytes:
    """A key and its value, as an unsigned integer of 32 bits."""
    return _string(key) + struct.pack("<II", _UINT32, value)


def header_bytes(metadata: Sequence[bytes], tensors: Sequence[TensorInfo], alignment: int) -> bytes:
    """The header of a file with these tensors, each padded to the `alignment`, in this order; their
    offsets are of no account. Their types are in `quantization_types`."""
    parts = [b"GGUF", struct.pack("<IQQ", _VERSION, len(tensors), len(metadata)), *metadata]
    offset = 0
    for tensor in tensors:
        count = len(tensor.shape)
        number = TENSOR_TYPE_OF_NAME[tensor.type].number
        parts += [
            _string(tensor.name),
            struct.pack(f"<I{count}QIQ", count, *tensor.shape, number, offset),
        ]
        offset += tensor.size_bytes + len(padding(tensor.size_bytes, alignment))
    whole = b"".join(parts)
    return whole + padding(len(whole), alignment)


def padding(length: int, alignment: int) -> bytes:
    """What stands behind so many bytes, for the next ones to be aligned."""
    return bytes(-length % alignment)


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw

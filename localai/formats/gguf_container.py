"""The GGUF container: from bytes to metadata and a tensor table, within bounds.

Owns the binary layout, the ggml type table and the limits on what a file may claim. Does not know
what a key means (`localai.formats.gguf` does). Reads no tensor data and keeps no large arrays. A
file may be hostile, so every count is checked before it is used, and every fault is an InvalidInput
that names the file.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise, repeat
from operator import length_hint
from typing import Any, Final, NoReturn

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.formats.quantization_types import TENSOR_TYPES
from localai.units import mebibytes_text

Scalar = int | float | bool | str
ReadAt = Callable[[int, int], bytes]
"""`read(offset, length)`: at least one byte from `offset` on, or b"" at the end. It may give
fewer or more than `length`."""

MAX_HEADER_BYTES: Final = 256 << 20
MAX_METADATA_COUNT: Final = 1 << 16
MAX_TENSOR_COUNT: Final = 1 << 16
MAX_ARRAY_ELEMENTS: Final = 1 << 22
MAX_KEY_BYTES: Final = 0xFFFF
MAX_STRING_BYTES: Final = 16 << 20
MAX_KEPT_BYTES: Final = 32 << 20
MAX_TENSOR_BYTES: Final = 1 << 50

# Arrays up to this many elements are kept as lists (head counts per layer, tags). Longer ones are
# vocabularies, of which only the length matters.
KEPT_ARRAY_ELEMENTS: Final = 1024

_CUT: Final = "is truncated: it ends inside its own header"
_FIRST_READ_BYTES: Final = 256 << 10
_LARGEST_READ_BYTES: Final = 8 << 20

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_TENSOR_TAIL = struct.Struct("<IQ")

_STRING: Final = 8
_ARRAY: Final = 9
_SCALARS: Final = {
    0: ("uint8", struct.Struct("<B")),
    1: ("int8", struct.Struct("<b")),
    2: ("uint16", struct.Struct("<H")),
    3: ("int16", struct.Struct("<h")),
    4: ("uint32", struct.Struct("<I")),
    5: ("int32", struct.Struct("<i")),
    6: ("float32", struct.Struct("<f")),
    7: ("bool", struct.Struct("<?")),
    10: ("uint64", struct.Struct("<Q")),
    11: ("int64", struct.Struct("<q")),
    12: ("float64", struct.Struct("<d")),
}


@dataclass(frozen=True, slots=True)
class ArraySummary:
    """An array that was skipped: its element type's name, and how many elements it has."""

    element_type: str
    count: int


MetadataValue = Scalar | ArraySummary | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A row of the tensor table. `shape` is in ggml's order: the first dimension is contiguous.
    `offset` counts from the start of the data section. For a type that this version does not know,
    `size_bytes` is the space up to the next tensor."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    size_bytes: int

    @property
    def elements(self) -> int:
        """The number of elements: the product of the shape."""
        product = 1
        for length in self.shape:
            product *= length
        return product


@dataclass(frozen=True, slots=True)
class Container:
    """The content of a container, uninterpreted. `expected_bytes` is how large the file must be."""

    version: int
    metadata: dict[str, MetadataValue]
    tensors: tuple[TensorInfo, ...]
    alignment: int
    data_offset: int
    expected_bytes: int


def parse(read: ReadAt, name: str, size_bytes: int | None) -> Container:
    """The container behind `read`, of a file called `name` that is `size_bytes` long. If that is
    None, a truncated file is not noticed. Raises InvalidInput."""
    window = _Window(read, name, size_bytes)
    version = _read_version(window)
    tensor_count = window.u64()
    metadata_count = window.u64()
    if tensor_count > MAX_TENSOR_COUNT:
        window.refuse(f"claims {tensor_count} tensors, more than {MAX_TENSOR_COUNT}")
    if metadata_count > MAX_METADATA_COUNT:
        window.refuse(f"claims {metadata_count} metadata keys, more than {MAX_METADATA_COUNT}")
    metadata = _read_metadata(window, metadata_count)
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20:
        window.refuse(f"has the impossible alignment {alignment!r:.40}")
    if alignment & (alignment - 1):
        window.refuse(f"has the alignment {alignment}, which is no power of two")
    rows = _read_tensor_rows(window, tensor_count)
    data_offset = -(-window.position // alignment) * alignment
    tensors = _with_sizes(
        window, rows, alignment, None if size_bytes is None else size_bytes - data_offset
    )
    end = max((tensor.offset + tensor.size_bytes for tensor in tensors), default=0)
    expected_bytes = data_offset + end if tensors else window.position
    if size_bytes is not None and size_bytes < expected_bytes:
        raise InvalidInput(
            f"{name} is truncated: its header describes {expected_bytes:,} bytes, "
            f"the file has {size_bytes:,}",
            hint="the download was cut or the disk filled up: fetch the file again",
        )
    return Container(version, metadata, tensors, alignment, data_offset, expected_bytes)


class _Window:
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
        return self.start + self.offset

    def refuse(self, what: str) -> NoReturn:
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
        self.need(layout.size)
        values = layout.unpack_from(self.buffer, self.offset)
        self.offset += layout.size
        return values

    def u32(self) -> int:
        value: int = self.unpack(_U32)[0]
        return value

    def u64(self) -> int:
        value: int = self.unpack(_U64)[0]
        return value

    def string(self, limit: int, what: str) -> str:
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


def _read_version(window: _Window) -> int:
    if window.limit == 0:
        window.refuse("is empty")
    window.need(min(8, window.limit))
    if window.buffer[:4] != b"GGUF":
        window.refuse("is not a GGUF file: it does not begin with the letters GGUF")
    window.skip(4)
    version = window.u32()
    if version in (2, 3):
        return version
    if int.from_bytes(version.to_bytes(4, "little"), "big") in (1, 2, 3):
        window.refuse("is a big-endian GGUF file, which only big-endian machines can load")
    raise InvalidInput(
        f"{window.name} is GGUF version {version}; versions 2 and 3 can be read",
        hint="convert it again with a current llama.cpp, or update localai",
    )


def _read_metadata(window: _Window, count: int) -> dict[str, MetadataValue]:
    metadata: dict[str, MetadataValue] = {}
    for _ in range(count):
        key = window.string(MAX_KEY_BYTES, "metadata key")
        if key in metadata:
            window.refuse(f"has the metadata key {key!r:.80} twice")
        metadata[key] = _read_value(window, key, window.u32())
    return metadata


def _read_value(window: _Window, key: str, kind: int) -> MetadataValue:
    if kind == _STRING:
        return window.string(MAX_STRING_BYTES, "metadata value")
    if kind == _ARRAY:
        return _read_array(window, key)
    if kind not in _SCALARS:
        window.refuse(f"has the unknown type {kind} for the metadata key {key!r:.80}")
    value: Scalar = window.unpack(_SCALARS[kind][1])[0]
    return value


def _read_array(window: _Window, key: str) -> MetadataValue:
    kind = window.u32()
    count = window.u64()
    if count > MAX_ARRAY_ELEMENTS:
        window.refuse(f"claims {count} elements in the metadata array {key!r:.80}")
    if kind == _STRING:
        if count <= KEPT_ARRAY_ELEMENTS:
            window.keep(64 * count)
            return tuple(window.string(MAX_STRING_BYTES, "metadata value") for _ in range(count))
        window.skip_strings(count)
        return ArraySummary("string", count)
    if kind not in _SCALARS:
        # Arrays of arrays are in the specification, but llama.cpp refuses them too.
        window.refuse(f"has the unknown element type {kind} in the metadata array {key!r:.80}")
    name, layout = _SCALARS[kind]
    if count > KEPT_ARRAY_ELEMENTS:
        window.skip(count * layout.size)
        return ArraySummary(name, count)
    window.keep(32 * count)
    return window.unpack(struct.Struct(f"<{count}{layout.format[1:]}"))


_Row = tuple[str, tuple[int, ...], int, int]


def _read_tensor_rows(window: _Window, count: int) -> list[_Row]:
    rows: list[_Row] = []
    names: set[str] = set()
    for _ in range(count):
        name = window.string(MAX_KEY_BYTES, "tensor name")
        if name in names:
            window.refuse(f"has the tensor {name!r:.80} twice")
        names.add(name)
        dimensions = window.u32()
        if dimensions > 4:
            window.refuse(f"has a tensor of {dimensions} dimensions, {name!r:.80}")
        shape = window.unpack(_SHAPES[dimensions])
        kind, offset = window.unpack(_TENSOR_TAIL)
        rows.append((name, shape, kind, offset))
    return rows


_SHAPES: Final = tuple(struct.Struct(f"<{n}Q") for n in range(5))


def _with_sizes(
    window: _Window, rows: list[_Row], alignment: int, data_bytes: int | None
) -> tuple[TensorInfo, ...]:
    """The rows with their sizes, which must not overlap. `data_bytes` bounds the last one."""
    ends: dict[int, int] = {}
    if any(kind not in TENSOR_TYPES for _, _, kind, _ in rows):
        offsets = sorted({offset for _, _, _, offset in rows})
        ends = dict(pairwise(offsets))
    tensors: list[TensorInfo] = []
    for name, shape, kind, offset in rows:
        elements = 1
        for length in shape:
            elements *= length
        if offset % alignment or offset + elements > MAX_TENSOR_BYTES:
            window.refuse(f"has an impossible place or size for the tensor {name!r:.80}")
        known = TENSOR_TYPES.get(kind)
        if known is None:
            size = max(0, ends.get(offset, data_bytes or 0) - offset)
            tensors.append(TensorInfo(name, shape, f"type {kind}", offset, size))
            continue
        block = known.block_elements
        if shape and shape[0] % block:
            window.refuse(f"has a row that is no multiple of {block} in the tensor {name!r:.80}")
        size = elements // block * known.block_bytes
        tensors.append(TensorInfo(name, shape, known.name, offset, size))
    for before, after in pairwise(sorted(tensors, key=_by_offset)):
        if before.offset + before.size_bytes > after.offset:
            window.refuse(f"has overlapping tensors, {before.name!r:.80} and {after.name!r:.80}")
    return tuple(tensors)


def _by_offset(tensor: TensorInfo) -> tuple[int, int]:
    return tensor.offset, tensor.size_bytes

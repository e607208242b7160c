"""The GGUF container: from bytes to metadata and a tensor table, within bounds.

Owns the binary layout, the ggml type table and the limits on what a file may claim. Does not know
what a key means (`localai.formats.gguf` does). Reads no tensor data and keeps no large arrays. A
file may be hostile, so every count is checked before it is used, and every fault is an InvalidInput
that names the file.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput
from localai.formats.gguf_reader import HeaderReader, ReadAt
from localai.formats.quantization_types import TENSOR_TYPES

Scalar = int | float | bool | str

MAX_METADATA_COUNT: Final = 1 << 16
MAX_TENSOR_COUNT: Final = 1 << 16
MAX_ARRAY_ELEMENTS: Final = 1 << 22
MAX_KEY_BYTES: Final = 0xFFFF
MAX_STRING_BYTES: Final = 16 << 20
MAX_TENSOR_BYTES: Final = 1 << 50

# Arrays up to this many elements are kept as lists (head counts per layer, tags). Longer ones are
# vocabularies, of which only the length matters.
KEPT_ARRAY_ELEMENTS: Final = 1024


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
    """The content of a container, uninterpreted. `places` has the bytes of each key and its value,
    from the first to the one behind the last. `expected_bytes` is how large the file must be."""

    version: int
    metadata: dict[str, MetadataValue]
    places: dict[str, tuple[int, int]]
    tensors: tuple[TensorInfo, ...]
    alignment: int
    data_offset: int
    expected_bytes: int


def parse(read: ReadAt, name: str, size_bytes: int | None) -> Container:
    """The container behind `read`, of a file called `name` that is `size_bytes` long. If that is
    None, a truncated file is not noticed. Raises InvalidInput."""
    reader = HeaderReader(read, name, size_bytes)
    version = _read_version(reader)
    tensor_count = reader.u64()
    metadata_count = reader.u64()
    if tensor_count > MAX_TENSOR_COUNT:
        reader.refuse(f"claims {tensor_count} tensors, more than {MAX_TENSOR_COUNT}")
    if metadata_count > MAX_METADATA_COUNT:
        reader.refuse(f"claims {metadata_count} metadata keys, more than {MAX_METADATA_COUNT}")
    metadata, places = _read_metadata(reader, metadata_count)
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20:
        reader.refuse(f"has the impossible alignment {alignment!r:.40}")
    if alignment & (alignment - 1):
        reader.refuse(f"has the alignment {alignment}, which is no power of two")
    rows = _read_tensor_rows(reader, tensor_count)
    data_offset = -(-reader.position // alignment) * alignment
    tensors = _with_sizes(
        reader, rows, alignment, None if size_bytes is None else size_bytes - data_offset
    )
    end = max((tensor.offset + tensor.size_bytes for tensor in tensors), default=0)
    expected_bytes = data_offset + end if tensors else reader.position
    if size_bytes is not None and size_bytes < expected_bytes:
        raise InvalidInput(
            f"{name} is truncated: its header describes {expected_bytes:,} bytes, "
            f"the file has {size_bytes:,}",
            hint="the download was cut or the disk filled up: fetch the file again",
        )
    return Container(version, metadata, places, tensors, alignment, data_offset, expected_bytes)


def _read_version(reader: HeaderReader) -> int:
    if reader.limit == 0:
        reader.refuse("is empty")
    reader.need(min(8, reader.limit))
    if reader.buffer[:4] != b"GGUF":
        reader.refuse("is not a GGUF file: it does not begin with the letters GGUF")
    reader.skip(4)
    version = reader.u32()
    if version in (2, 3):
        return version
    if int.from_bytes(version.to_bytes(4, "little"), "big") in (1, 2, 3):
        reader.refuse("is a big-endian GGUF file, which only big-endian machines can load")
    raise InvalidInput(
        f"{reader.name} is GGUF version {version}; versions 2 and 3 can be read",
        hint="convert it again with a current llama.cpp, or update localai",
    )


def _read_metadata(
    reader: HeaderReader, count: int
) -> tuple[dict[str, MetadataValue], dict[str, tuple[int, int]]]:
    metadata: dict[str, MetadataValue] = {}
    places: dict[str, tuple[int, int]] = {}
    for _ in range(count):
        begin = reader.position
        key = reader.string(MAX_KEY_BYTES, "metadata key")
        if key in metadata:
            reader.refuse(f"has the metadata key {key!r:.80} twice")
        metadata[key] = _read_value(reader, key, reader.u32())
        places[key] = begin, reader.position
    return metadata, places


def _read_value(reader: HeaderReader, key: str, kind: int) -> MetadataValue:
    if kind == _STRING:
        return reader.string(MAX_STRING_BYTES, "metadata value")
    if kind == _ARRAY:
        return _read_array(reader, key)
    if kind not in _SCALARS:
        reader.refuse(f"has the unknown type {kind} for the metadata key {key!r:.80}")
    value: Scalar = reader.unpack(_SCALARS[kind][1])[0]
    return value


def _read_array(reader: HeaderReader, key: str) -> MetadataValue:
    kind = reader.u32()
    count = reader.u64()
    if count > MAX_ARRAY_ELEMENTS:
        reader.refuse(f"claims {count} elements in the metadata array {key!r:.80}")
    if kind == _STRING:
        if count <= KEPT_ARRAY_ELEMENTS:
            reader.keep(64 * count)
            return tuple(reader.string(MAX_STRING_BYTES, "metadata value") for _ in range(count))
        reader.skip_strings(count)
        return ArraySummary("string", count)
    if kind not in _SCALARS:
        # Arrays of arrays are in the specification, but llama.cpp refuses them too.
        reader.refuse(f"has the unknown element type {kind} in the metadata array {key!r:.80}")
    name, layout = _SCALARS[kind]
    if count > KEPT_ARRAY_ELEMENTS:
        reader.skip(count * layout.size)
        return ArraySummary(name, count)
    reader.keep(32 * count)
    return reader.unpack(struct.Struct(f"<{count}{layout.format[1:]}"))


_Row = tuple[str, tuple[int, ...], int, int]


def _read_tensor_rows(reader: HeaderReader, count: int) -> list[_Row]:
    rows: list[_Row] = []
    names: set[str] = set()
    for _ in range(count):
        name = reader.string(MAX_KEY_BYTES, "tensor name")
        if name in names:
            reader.refuse(f"has the tensor {name!r:.80} twice")
        names.add(name)
        dimensions = reader.u32()
        if dimensions > 4:
            reader.refuse(f"has a tensor of {dimensions} dimensions, {name!r:.80}")
        shape = reader.unpack(_SHAPES[dimensions])
        kind, offset = reader.unpack(_TENSOR_TAIL)
        rows.append((name, shape, kind, offset))
    return rows


_SHAPES: Final = tuple(struct.Struct(f"<{n}Q") for n in range(5))


def _with_sizes(
    reader: HeaderReader, rows: list[_Row], alignment: int, data_bytes: int | None
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
            reader.refuse(f"has an impossible place or size for the tensor {name!r:.80}")
        known = TENSOR_TYPES.get(kind)
        if known is None:
            size = max(0, ends.get(offset, data_bytes or 0) - offset)
            tensors.append(TensorInfo(name, shape, f"type {kind}", offset, size))
            continue
        block = known.block_elements
        if shape and shape[0] % block:
            reader.refuse(f"has a row that is no multiple of {block} in the tensor {name!r:.80}")
        size = elements // block * known.block_bytes
        tensors.append(TensorInfo(name, shape, known.name, offset, size))
    for before, after in pairwise(sorted(tensors, key=_by_offset)):
        if before.offset + before.size_bytes > after.offset:
            reader.refuse(f"has overlapping tensors, {before.name!r:.80} and {after.name!r:.80}")
    return tuple(tensors)


def _by_offset(tensor: TensorInfo) -> tuple[int, int]:
    return tensor.offset, tensor.size_bytes

"""Quantizing a GGUF file (q8_0, q4_0, q5_K_M, …), tensor by tensor.

Uses the `gguf` package of llama.cpp's makers, which needs numpy: an extra, imported here only. It
lacks the K-types, which `k_types` makes with the engine's library. As in llama-quantize, matrices
are quantized, but not vectors and the router of experts. For a plain type the output matrix becomes
Q8_0 at least, where llama-quantize takes Q6_K, because it matters most.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from localai.durable import put_on_disk
from localai.errors import InvalidInput, NotFound
from localai.formats.gguf import GgufHeader
from localai.formats.gguf_container import TensorInfo
from localai.formats.k_types import (
    MIXTURES,
    instead_of,
    k_type,
    k_types_available,
    quantized_rows,
)
from localai.formats.quantization_types import FILE_TYPE_NUMBER, TENSOR_TYPE_OF_NAME
from localai.progress import WorkProgress

if TYPE_CHECKING:
    import gguf

PLAIN_TYPES: Final = ("F16", "Q4_0", "Q4_1", "Q8_0", "Q5_0", "Q5_1")
"""All matrices of one type, but the output matrix."""
TYPES: Final = (*PLAIN_TYPES, *MIXTURES)
"""What a file can become."""

_KEPT_NAMES: Final = ("_norm.weight", "ffn_gate_inp.weight", "position_embd.weight")
_OUTPUTS: Final = ("output.weight", "token_embd.weight")
# The number of elements that are decoded to floats at a time.
_PIECE_ELEMENTS: Final = 16 << 20


def can_make(to: str) -> bool:
    """Whether the packages that the type `to` needs are installed."""
    from importlib.util import find_spec

    if to not in TYPES or find_spec("gguf") is None or find_spec("numpy") is None:
        return False
    return to in PLAIN_TYPES or k_types_available()


def require(to: str) -> None:
    """Raise NotFound, with the remedy, if a package that the type `to` needs is missing."""
    if can_make(to):
        return
    if to in MIXTURES and can_make("F16"):
        raise NotFound(
            f"the engine of this machine exports nothing that quantizes to {to.lower()}",
            hint="--to q8_0 (or another plain type)",
        )
    raise NotFound(
        "for this type the package gguf is needed, and it is not installed",
        command=(sys.executable, "-m", "pip", "install", "gguf>=0.17"),
    )


def quantized_bytes(header: GgufHeader, to: str) -> int:
    """The bytes that the tensors of `header` take as `to`, one of `TYPES`."""
    return sum(_bytes_as(tensor, target_type(tensor, header, to)) for tensor in header.tensors)


def target_type(tensor: TensorInfo, header: GgufHeader, to: str) -> str:
    """The type of `tensor` in a file of the type `to`."""
    wanted = _wanted_type(tensor, header, to)
    # A row must be whole blocks.
    fitting = (each for each in (wanted, instead_of(wanted)) if each and _divides(each, tensor))
    return next(fitting, "F16")


def fallback_shares(header: GgufHeader, to: str) -> dict[str, float]:
    """The share of the quantized weights that become another type because their rows are no whole
    blocks, by that type. F16 is a type that does not shrink."""
    elements: dict[str, int] = {}
    total = 0
    for tensor in header.tensors:
        if not _is_quantized(tensor):
            continue
        total += tensor.elements
        made = target_type(tensor, header, to)
        if made != _wanted_type(tensor, header, to):
            elements[made] = elements.get(made, 0) + tensor.elements
    return {name: count / total for name, count in sorted(elements.items())}


def unshrunk_share(header: GgufHeader) -> float:
    """The share of the weights that quantizing would shrink, and that have 16 bits or more in this
    file."""
    sizes = [(tensor.type, tensor.elements) for tensor in header.tensors if _is_quantized(tensor)]
    whole = sum(elements for kind, elements in sizes if kind in ("F16", "BF16", "F32"))
    return whole / max(1, sum(elements for _, elements in sizes))


def _is_quantized(tensor: TensorInfo) -> bool:
    matrix = len(tensor.shape) >= 2 and tensor.name.endswith("weight")
    return matrix and not tensor.name.endswith(_KEPT_NAMES)


def _divides(name: str, tensor: TensorInfo) -> bool:
    return TENSOR_TYPE_OF_NAME[name].divides(tensor.shape[0])


def _wanted_type(tensor: TensorInfo, header: GgufHeader, to: str) -> str:
    """The type that `tensor` would become if every row were whole blocks."""
    if not _is_quantized(tensor):
        return tensor.type
    is_output = tensor.name == _OUTPUTS[0] or (
        tensor.name == _OUTPUTS[1] and header.tied_embeddings
    )
    if to in MIXTURES:
        return k_type(tensor, header.block_count or 0, to, is_output=is_output)
    return "Q8_0" if is_output and to != "F16" else to


def quantize_file(
    sources: Sequence[Path], header: GgufHeader, to: str, target: Path
) -> Generator[WorkProgress, None, None]:
    """Write the model in `sources` (its parts, in order) to `target` as the type `to`. Yields how
    many bytes of the source are done. Needs memory for one tensor. Raises NotFound without the
    package, InvalidInput if it cannot decode a tensor, OSError."""
    require(to)
    import gguf

    readers = [gguf.GGUFReader(source) for source in sources]
    writer = gguf.GGUFWriter(target, header.architecture or "")
    try:
        _copy_metadata(readers[0], writer, to)
        named = {tensor.name: target_type(tensor, header, to) for tensor in header.tensors}
        tensors = [tensor for reader in readers for tensor in reader.tensors]
        for tensor in tensors:
            _announce(writer, tensor, named[tensor.name])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        done, total = 0, sum(int(tensor.n_bytes) for tensor in tensors)
        for tensor in tensors:
            writer.write_tensor_data(_converted(tensor, named[tensor.name]))
            done += int(tensor.n_bytes)
            yield WorkProgress("quantizing", done, total)
    finally:
        writer.close()
    with target.open("rb+") as file:
        put_on_disk(file.fileno())


def _bytes_as(tensor: TensorInfo, name: str) -> int:
    if name == tensor.type:
        return tensor.size_bytes
    return round(TENSOR_TYPE_OF_NAME[name].size_bytes(tensor.elements))


def _copy_metadata(reader: gguf.GGUFReader, writer: gguf.GGUFWriter, to: str) -> None:
    import gguf

    replaced = {"general.architecture", "general.file_type", "general.quantization_version"}
    for field in reader.fields.values():
        if field.name in replaced or field.name.startswith(("GGUF.", "split.")):
            continue
        kind = field.types[0]
        of = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=of)
    writer.add_file_type(FILE_TYPE_NUMBER[to])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _announce(writer: gguf.GGUFWriter, tensor: Any, name: str) -> None:
    import gguf
    import numpy as np

    kind = gguf.GGMLQuantizationType[name]
    if kind == tensor.tensor_type:
        data = tensor.data
        writer.add_tensor_info(tensor.name, data.shape, data.dtype, data.nbytes, kind)
        return
    shape = tuple(int(length) for length in reversed(tensor.shape))
    if name == "F16":
        dtype: Any = np.dtype(np.float16)
        stored = shape
    else:
        dtype = np.dtype(np.uint8)
        stored = gguf.quant_shape_to_byte_shape(shape, kind)
    size = int(np.prod(stored)) * dtype.itemsize
    writer.add_tensor_info(tensor.name, stored, dtype, size, kind)


def _converted(tensor: Any, name: str) -> Any:
    """The tensor's data as the type `name`; only a few rows at a time are decoded to floats."""
    import gguf
    import numpy as np

    kind = gguf.GGMLQuantizationType[name]
    if kind == tensor.tensor_type:
        return tensor.data
    columns = int(tensor.shape[0])
    rows = tensor.data.reshape(-1, tensor.data.shape[-1])
    step = max(1, _PIECE_ELEMENTS // columns)
    pieces = []
    try:
        for at in range(0, len(rows), step):
            floats = gguf.dequantize(rows[at : at + step], tensor.tensor_type)
            if name == "F16":
                pieces.append(floats.astype(np.float16))
            elif name in MIXTURES.values():
                row_bytes = round(TENSOR_TYPE_OF_NAME[name].size_bytes(columns))
                pieces.append(quantized_rows(floats, kind.value, row_bytes))
            else:
                pieces.append(gguf.quantize(floats.astype(np.float32), kind))
    except NotImplementedError as error:
        raise InvalidInput(
            f"the gguf package cannot decode {tensor.name}, which is {tensor.tensor_type.name}"
        ) from error
    return np.concatenate(pieces)

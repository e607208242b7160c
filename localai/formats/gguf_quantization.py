"""Quantizing a GGUF file (q8_0, q4_0, q5_K_M, …), tensor by tensor.

The `gguf` package of llama.cpp's makers decodes; it needs numpy: an extra, imported here only. The
engine's library encodes (`k_types`), and where it is not installed the package does, which lacks
the K-types. As in llama-quantize, matrices are quantized, but not vectors and the router of
experts. For a plain type the output matrix becomes Q8_0 at least, where llama-quantize takes Q6_K,
because it matters most.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from localai.durable import put_on_disk
from localai.errors import InvalidInput, NotFound
from localai.formats.gguf import GgufHeader
from localai.formats.gguf_container import TensorInfo
from localai.formats.gguf_rewriting import (
    GgufSource,
    header_bytes,
    integer_metadata,
    open_gguf,
    padding,
)
from localai.formats.k_types import (
    MIXTURES,
    instead_of,
    k_type,
    k_types_available,
    quantized_rows,
)
from localai.formats.quantization_types import FILE_TYPE_NUMBER, TENSOR_TYPE_OF_NAME
from localai.process_limits import spare_threads_of_numpy
from localai.progress import WorkProgress

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
    spare_threads_of_numpy()
    with ExitStack() as opened, target.open("wb") as file:
        parts = [opened.enter_context(open_gguf(source)) for source in sources]
        every = [(part, tensor) for part in parts for tensor in part.container.tensors]
        made = [_made(tensor, target_type(tensor, header, to)) for _, tensor in every]
        alignment = parts[0].container.alignment
        file.write(header_bytes(_metadata(parts[0], to), made, alignment))
        done, total = 0, sum(tensor.size_bytes for _, tensor in every)
        for (part, tensor), new in zip(every, made, strict=True):
            file.write(_converted(part.data(tensor), tensor, new.type))
            file.write(padding(new.size_bytes, alignment))
            done += tensor.size_bytes
            yield WorkProgress("quantizing", done, total)
        file.flush()
        put_on_disk(file.fileno())


def _bytes_as(tensor: TensorInfo, name: str) -> int:
    if name == tensor.type:
        return tensor.size_bytes
    return round(TENSOR_TYPE_OF_NAME[name].size_bytes(tensor.elements))


def _made(tensor: TensorInfo, name: str) -> TensorInfo:
    """`tensor` as the type `name`. Raises InvalidInput for a type that nobody knows."""
    if name not in TENSOR_TYPE_OF_NAME:
        raise _undecodable(tensor)
    return replace(tensor, type=name, size_bytes=_bytes_as(tensor, name))


def _metadata(source: GgufSource, to: str) -> list[bytes]:
    """The metadata of a file of the type `to`, one key after the other."""
    import gguf

    new = {
        "general.file_type": FILE_TYPE_NUMBER[to],
        "general.quantization_version": gguf.GGML_QUANT_VERSION,
    }
    kept = [
        source.metadata(key)
        for key in source.container.metadata
        if key not in new and not key.startswith("split.")
    ]
    return kept + [integer_metadata(key, value) for key, value in new.items()]


def _converted(data: bytes, tensor: TensorInfo, name: str) -> Any:
    """The tensor's data as the type `name`; only a few rows at a time are decoded to floats."""
    if name == tensor.type or not tensor.elements:
        return data
    import gguf
    import numpy as np

    columns = tensor.shape[0]
    rows = np.frombuffer(data, np.uint8).reshape(tensor.elements // columns, -1)
    step = max(1, _PIECE_ELEMENTS // columns)
    pieces = []
    for at in range(0, len(rows), step):
        try:
            kind = gguf.GGMLQuantizationType[tensor.type]
            floats = gguf.dequantize(rows[at : at + step], kind)
        except (NotImplementedError, KeyError) as error:
            raise _undecodable(tensor) from error
        pieces.append(_encoded(floats, name))
    return np.concatenate(pieces)


def _encoded(floats: Any, name: str) -> Any:
    """Rows of floats as the type `name`: by the engine's own code where that is installed, else by
    numpy, which makes the same of plain types."""
    import gguf
    import numpy as np

    if name == "F16":
        return floats.astype(np.float16)
    kind = TENSOR_TYPE_OF_NAME[name]
    if k_types_available():
        return quantized_rows(floats, kind.number, round(kind.size_bytes(floats.shape[1])))
    return gguf.quantize(floats.astype(np.float32), gguf.GGMLQuantizationType[name])


def _undecodable(tensor: TensorInfo) -> InvalidInput:
    return InvalidInput(f"the gguf package cannot decode {tensor.name}, which is {tensor.type}")

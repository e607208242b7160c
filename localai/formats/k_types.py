"""K-types: which tensor gets how many bits, and the quantization itself by llama.cpp's own code.

The engine's library exports ggml's `ggml_quantize_chunk`; it is loaded here without the engine
around it. The choice of types follows `llama_tensor_get_type` of llama.cpp's `src/llama-quant.cpp`,
for models without eight experts.
"""

from __future__ import annotations

import ctypes
import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from localai.engine.llamacpp.library import engine_library
from localai.parallel import in_threads

if TYPE_CHECKING:
    from localai.formats.gguf_container import TensorInfo

# The type of most matrices in a file of each mixture.
MIXTURES: Final = {
    "Q4_K_S": "Q4_K",
    "Q4_K_M": "Q4_K",
    "Q5_K_S": "Q5_K",
    "Q5_K_M": "Q5_K",
    "Q6_K": "Q6_K",
}
# The type of a tensor whose rows are not whole blocks of 256.
_INSTEAD: Final = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
_LAYER: Final = re.compile(r"blk\.(\d+)\.")


def k_type(tensor: TensorInfo, layers: int, to: str, *, is_output: bool) -> str:
    """The type of the matrix `tensor` of a model of `layers`, in a file of the mixture `to`, if its
    rows are whole blocks; else the type is `instead_of` that."""
    wanted = MIXTURES[to]
    match = _LAYER.match(tensor.name)
    layer = int(match[1]) if match else 0
    kind = tensor.name.removesuffix(".weight").rpartition(".")[2]
    if is_output:
        wanted = "Q6_K"
    elif kind in ("attn_v", "ffn_down"):
        if to in ("Q4_K_M", "Q5_K_M") and _gets_more(layer, layers):
            wanted = "Q6_K"
        elif to == "Q4_K_S" and layer < (4 if kind == "attn_v" else layers // 8):
            wanted = "Q5_K"
    elif kind == "attn_qkv" and to in ("Q4_K_M", "Q5_K_M"):
        wanted = "Q5_K" if to == "Q4_K_M" else "Q6_K"
    return wanted


def instead_of(name: str) -> str | None:
    """What a tensor becomes whose rows are no whole blocks of the k-type `name`; None for a type
    that has no stand-in."""
    return _INSTEAD.get(name)


def k_types_available() -> bool:
    """Whether the engine's library is installed and exports the function that quantizes."""
    return _library() is not None


def quantized_rows(floats: Any, number: int, row_bytes: int) -> Any:
    """The rows of `floats` (float32, rows × columns) as ggml's type `number`: uint8, rows ×
    `row_bytes`. Uses all cores."""
    import numpy as np

    library = _library()
    assert library is not None, "the caller has looked"
    floats = np.ascontiguousarray(floats, dtype=np.float32)
    rows, columns = floats.shape
    made = np.empty((rows, row_bytes), dtype=np.uint8)
    workers = min(rows, os.cpu_count() or 1)
    step = -(-rows // workers)

    def chunk(at: int) -> None:
        count = min(step, rows - at)
        source, target = floats[at : at + count], made[at : at + count]
        written = library.ggml_quantize_chunk(
            number, source.ctypes.data, target.ctypes.data, 0, count, columns, None
        )
        assert written == count * row_bytes, "ggml has another idea of this type"

    in_threads(chunk, range(0, rows, step))
    return made


def _gets_more(layer: int, layers: int) -> bool:
    """Whether a layer gets more bits: the first and last eighth, and every third between."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


@cache
def _library() -> Any:
    function = getattr(engine_library(), "ggml_quantize_chunk", None)
    if function is None:
        return None
    function.restype = ctypes.c_size_t
    pointer, count = ctypes.c_void_p, ctypes.c_int64
    function.argtypes = [ctypes.c_int, pointer, pointer, count, count, count, pointer]
    return engine_library()

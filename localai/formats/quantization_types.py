"""How numbers are stored in a GGUF file: the types of tensors and of whole files.

The one place for block sizes and type numbers. `gguf_quantization` and `k_types` decide which type
a tensor gets when a file is quantized.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from localai.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class TensorType:
    """A type of ggml's: its number in the tensor table, and the elements and bytes of a block."""

    number: int
    name: str
    block_elements: int
    block_bytes: int

    def divides(self, elements: int) -> bool:
        """Whether a row of this many elements is whole blocks."""
        return elements % self.block_elements == 0

    def size_bytes(self, elements: int) -> float:
        """The bytes of this many elements; a whole number if they are whole blocks."""
        return elements / self.block_elements * self.block_bytes


# ggml.c, type_traits.
TENSOR_TYPES: Final[Mapping[int, TensorType]] = {
    each.number: each
    for each in (
        TensorType(0, "F32", 1, 4),
        TensorType(1, "F16", 1, 2),
        TensorType(2, "Q4_0", 32, 18),
        TensorType(3, "Q4_1", 32, 20),
        TensorType(6, "Q5_0", 32, 22),
        TensorType(7, "Q5_1", 32, 24),
        TensorType(8, "Q8_0", 32, 34),
        TensorType(9, "Q8_1", 32, 36),
        TensorType(10, "Q2_K", 256, 84),
        TensorType(11, "Q3_K", 256, 110),
        TensorType(12, "Q4_K", 256, 144),
        TensorType(13, "Q5_K", 256, 176),
        TensorType(14, "Q6_K", 256, 210),
        TensorType(15, "Q8_K", 256, 292),
        TensorType(16, "IQ2_XXS", 256, 66),
        TensorType(17, "IQ2_XS", 256, 74),
        TensorType(18, "IQ3_XXS", 256, 98),
        TensorType(19, "IQ1_S", 256, 50),
        TensorType(20, "IQ4_NL", 32, 18),
        TensorType(21, "IQ3_S", 256, 110),
        TensorType(22, "IQ2_S", 256, 82),
        TensorType(23, "IQ4_XS", 256, 136),
        TensorType(24, "I8", 1, 1),
        TensorType(25, "I16", 1, 2),
        TensorType(26, "I32", 1, 4),
        TensorType(27, "I64", 1, 8),
        TensorType(28, "F64", 1, 8),
        TensorType(29, "IQ1_M", 256, 56),
        TensorType(30, "BF16", 1, 2),
        TensorType(34, "TQ1_0", 256, 54),
        TensorType(35, "TQ2_0", 256, 66),
        TensorType(39, "MXFP4", 32, 17),
        TensorType(40, "NVFP4", 64, 36),
        TensorType(41, "Q1_0", 128, 18),
    )
}
TENSOR_TYPE_OF_NAME: Final[Mapping[str, TensorType]] = {
    each.name: each for each in TENSOR_TYPES.values()
}

# A file's type is the type of most of its matrices: llama_ftype (llama.h), spelled as people type
# it. After a change raise `_VERSION` in stores/describe.py, so that headers are read again.
FILE_TYPES: Final[Mapping[int, str]] = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4",
    39: "NVFP4",
    40: "Q1_0",
}
FILE_TYPE_NUMBER: Final[Mapping[str, int]] = {name: number for number, name in FILE_TYPES.items()}

"""K-types: the numbers come back, and the mixture is the one of llama.cpp's own quantizer."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from localai.formats.gguf import read_model
from localai.formats.gguf_quantization import target_type
from localai.formats.k_types import quantized_rows
from localai.formats.quantization_types import TENSOR_TYPE_OF_NAME


@pytest.mark.parametrize(("name", "loss"), [("Q4_K", 0.09), ("Q5_K", 0.045), ("Q6_K", 0.025)])
@pytest.mark.parametrize("rows", [1, 3, 64])
def test_what_was_quantized_decodes_to_nearly_the_same(name: str, loss: float, rows: int) -> None:
    kind = gguf.GGMLQuantizationType[name]
    floats = np.random.default_rng(0).standard_normal((rows, 512)).astype(np.float32)
    row_bytes = round(TENSOR_TYPE_OF_NAME[name].size_bytes(512))
    made = quantized_rows(floats, kind.value, row_bytes)
    error = np.sqrt(np.mean((gguf.dequantize(made, kind) - floats) ** 2))
    assert 0 < error < loss


def test_the_mixture_is_llama_quantizes(gemma3_path: Path) -> None:
    # That file was made by llama-quantize as Q4_K_M; its token embeddings are the output matrix.
    header = read_model(gemma3_path)
    assert header.quantization == "Q4_K_M"
    expected = {tensor.name: tensor.type for tensor in header.tensors if len(tensor.shape) > 1}
    mixed = {
        tensor.name: target_type(tensor, header, "Q4_K_M")
        for tensor in header.tensors
        if len(tensor.shape) > 1
    }
    assert mixed == expected

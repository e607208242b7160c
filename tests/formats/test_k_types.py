"""K-types: the numbers come back, and the mixture is the one of llama.cpp's own quantizer."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from localai.formats.gguf import read_header, read_model
from localai.formats.gguf_quantization import fallback_shares, target_type
from localai.formats.k_types import quantized_rows
from localai.formats.quantization_types import TENSOR_TYPE_OF_NAME
from tests.formats.synthetic import Spec, write


@pytest.mark.parametrize(("name", "loss"), [("Q4_K", 0.09), ("Q5_K", 0.045), ("Q6_K", 0.025)])
@pytest.mark.parametrize("rows", [1, 3, 64])
def test_what_was_quantized_decodes_to_nearly_the_same(name: str, loss: float, rows: int) -> None:
    kind = gguf.GGMLQuantizationType[name]
    floats = np.random.default_rng(0).standard_normal((rows, 512)).astype(np.float32)
    row_bytes = round(TENSOR_TYPE_OF_NAME[name].size_bytes(512))
    made = quantized_rows(floats, kind.value, row_bytes)
    error = np.sqrt(np.mean((gguf.dequantize(made, kind) - floats) ** 2))
    assert 0 < error < loss


@pytest.mark.parametrize(
    ("width", "to", "shares"),
    [
        (256, "Q4_K_M", {}),
        (256, "Q8_0", {}),
        # Nine blocks of 32, and none of 256.
        (288, "Q4_K_M", {"Q5_0": 0.58, "Q8_0": 0.18}),
        (288, "Q5_K_M", {"Q5_1": 0.58, "Q8_0": 0.18}),
        (288, "Q8_0", {}),
        # Rows of no type's blocks.
        (100, "Q4_K_M", {"F16": 0.76}),
        (100, "Q4_0", {"F16": 0.76}),
    ],
)
def test_rows_that_are_no_whole_blocks_become_a_type_that_they_fit(
    tmp_path: Path, width: int, to: str, shares: dict[str, float]
) -> None:
    [path] = write(tmp_path / "m.gguf", Spec("llama", layers=1, width=width))
    found = fallback_shares(read_header(path), to)
    assert found == pytest.approx(shares, abs=0.005)
    assert set(found) == set(shares)


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

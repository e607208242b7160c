"""The formula for MLX's memory, against mlx-lm's own caches and the shapes that differ."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from localai.formats.mlx_folder import read_folder
from localai.sizing.mlx_formula import context_bytes, projected_memory

_MEASURE = """
import sys
import mlx.core as mx
from mlx_lm import load
from mlx_lm.models.cache import make_prompt_cache
model, _ = load(sys.argv[1], lazy=True)
cache = make_prompt_cache(model)
model(mx.array([[5, 6, 7]]), cache=cache)
print(sum(layer.nbytes for layer in cache))
"""
_BASE: dict[str, Any] = {
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "hidden_size": 512,
}
_TOKENS = 4096
_FULL = _TOKENS * 2 * 2 * 64 * 2


def test_the_context_is_what_mlx_allocates(mlx_python: Path, mlx_model_path: Path) -> None:
    command = [str(mlx_python), "-c", _MEASURE, str(mlx_model_path)]
    measured = int(subprocess.run(command, check=True, capture_output=True).stdout)
    need = projected_memory(read_folder(mlx_model_path), 3)
    assert need is not None
    assert need.context_bytes == measured
    assert need.total_bytes > need.weights_bytes + measured


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, 4 * _FULL),
        ({"head_dim": 128}, 8 * _FULL),
        ({"num_key_value_heads": None}, 16 * _FULL),
        # A window named without saying which layers slide counts as none.
        ({"sliding_window": 256}, 4 * _FULL),
        ({"sliding_window": 256, "sliding_window_pattern": 4}, _FULL + 3 * _FULL * 2304 // 4096),
        (
            {"sliding_window": 256, "layer_types": ["full_attention", *["sliding_attention"] * 3]},
            _FULL + 3 * _FULL * 2304 // 4096,
        ),
        ({"full_attention_interval": 4}, _FULL),
        ({"kv_lora_rank": 96, "qk_rope_head_dim": 32}, 4 * 4096 * 128 * 2),
    ],
)
def test_each_kind_of_layer_keeps_what_it_keeps(config: dict[str, Any], expected: int) -> None:
    assert context_bytes({**_BASE, **config}, 2, _TOKENS) == expected


def test_what_the_config_does_not_say_is_unknown() -> None:
    assert context_bytes({"num_hidden_layers": 4}, 2, 1024) is None

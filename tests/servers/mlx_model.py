"""SmolLM2 as a folder that mlx-lm loads, converted from its GGUF file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.servers import environments, weights
from tests.servers.cache import cache_root, make_once
from tests.servers.commands import run

CONVERTER = Path(__file__).with_name("convert_mlx.py")


def mlx_model() -> Path:
    """Where the MLX folder is (float32, 540 MB)."""
    key = hashlib.sha256(CONVERTER.read_bytes() + weights.SMOLLM2_SHA256.encode())
    return cache_root() / f"smollm2-mlx-{key.hexdigest()[:8]}" / "SmolLM2-135M-Instruct-mlx"


def convert() -> Path:
    """Convert unless it was done; fetches the weights and makes the environment if needed."""

    def build(folder: Path) -> None:
        run([environments.make_mlx(), CONVERTER, weights.fetch_smollm2(), mlx_model()])

    make_once(mlx_model().parent, build)
    return mlx_model()

"""Model file formats: GGUF files and MLX folders, read, described and written."""

from __future__ import annotations

from typing import Literal

FileFormat = Literal["gguf", "mlx"]
"""How a model's weights lie on the disk; each format has a provider of ours that opens it."""

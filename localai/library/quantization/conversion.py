"""What the three backends offer: a way to quantize a model."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Final, Literal

from localai.dataclass import dataclass
from localai.formats.gguf import GgufHeader, part_paths, read_header, read_model
from localai.progress import WorkProgress

Program = Literal["gguf", "llama.cpp", "ollama", "mlx-lm"]
"""What makes the smaller model."""

LOSSLESS: Final = frozenset({"F32", "F16", "BF16", "f32", "f16", "bf16"})
"""Unquantized types."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """A way to quantize: the program, the type, the sizes.

    `by` is the program. `to` is the type as people write it. `size_bytes` is the source's size;
    `made_bytes` the result's, an estimate if the program decides. `make` writes the result to a
    path. `fallbacks` are the shares of the weights that become another type, by that type, because
    their rows are no whole blocks.
    """

    by: Program
    to: str
    size_bytes: int
    made_bytes: int
    make: Callable[[Path], Generator[WorkProgress, None, None]]
    fallbacks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GgufSource:
    """A GGUF model to quantize: its files in order, and their header."""

    parts: tuple[Path, ...]
    header: GgufHeader

    @property
    def size_bytes(self) -> int:
        """The size of all its files."""
        return sum(part.stat().st_size for part in self.parts)


def read_gguf_source(path: Path) -> GgufSource:
    """The model whose first file is at `path`. Raises NotFound, InvalidInput."""
    return GgufSource(tuple(part_paths(path, read_header(path))), read_model(path))


def spelling(to: str) -> str:
    """A GGUF type as people write it: q8_0, q4_K_M, f16."""
    return f"q{to[1:]}" if "_K" in to else to.lower()

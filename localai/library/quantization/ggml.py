"""Quantizing a GGUF model in this process: by the `gguf` package, K-types by the engine's
library."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from localai.formats import gguf_quantization as quantization
from localai.library.quantization.conversion import Conversion, GgufSource, Program, spelling
from localai.progress import WorkProgress


def ggml_conversion(source: GgufSource, to: str) -> Conversion:
    """Makes `source` into the type `to`, one of `gguf_quantization.TYPES`.

    Raises NotFound if a package that the type needs is not installed.
    """
    quantization.require(to)
    header, size = source.header, source.size_bytes
    made = size - header.tensor_bytes + quantization.quantized_bytes(header, to)

    def make(path: Path) -> Generator[WorkProgress, None, None]:
        return quantization.quantize_file(source.parts, header, to, path)

    by: Program = "gguf" if to in quantization.PLAIN_TYPES else "llama.cpp"
    fallbacks = quantization.fallback_shares(header, to)
    return Conversion(by, spelling(to), size, made, make, fallbacks)

"""The name of a model whatever it is called where: by publishers, by Ollama, by a file. Pure."""

from __future__ import annotations

import re

from localai.patterns import lazy_pattern

# What a name adds to its model's: the format, the quantization, who packed it, that it converses.
_ADDED = lazy_pattern(
    r"[-_.:](gguf|mlx|bf16|fp?16|fp8|fp?32|[2-8][-_]?bits?|mxfp[48](-q\d)?|nvfp4|qat|i?q\d\w*|dwq|ud"
    r"|it|instruct|latest)$"
)


def bare_name(name: str) -> str:
    """The name without its publisher, format, quantization and separators.

    `mlx-community/Qwen3-8B-Instruct-4bit`, `hf.co/Qwen/Qwen3-8B-GGUF:Q4_K_M` and `qwen3:8b` are all
    `qwen38b`, `google/gemma-4-E2B-it` and `gemma4:e2b` both `gemma4e2b`.
    """
    name = name.rpartition("/")[2].lower()
    while (shorter := _ADDED.sub("", name)) != name and shorter:
        name = shorter
    return re.sub(r"[-_:\s]", "", name)

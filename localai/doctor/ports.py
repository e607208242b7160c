"""The usual ports of servers of models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SERVERS: Final[Mapping[int, str]] = {
    11434: "Ollama",
    1234: "LM Studio",
    8000: "vLLM",
    8080: "llama-server",
    30000: "SGLang",
    50052: "llama.cpp's RPC server",
}
"""What a port usually belongs to."""

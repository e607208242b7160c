"""What a person is told for the name of a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

STORE_NAMES: Final[Mapping[str, str]] = {
    "localai": "localai",
    "ollama": "ollama",
    "lmstudio": "lmstudio",
    "huggingface": "hub cache",
}

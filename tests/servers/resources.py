"""The table of everything real that the tests run against, each with its variable.

`tests/run` gets them all and exports where they are; a test that is started otherwise finds
what an earlier run left in the cache.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.servers import (
    chat_templates,
    environments,
    llama_cpp,
    mlx_model,
    ollama,
    registry,
    weights,
)
from tests.servers.cache import cache_root, is_whole


@dataclass(frozen=True, slots=True)
class Resource:
    """A binary, a file or a folder: the variable that names it, where it is, how it gets there."""

    variable: str
    path: Callable[[], Path]
    make: Callable[[], Path]

    def find(self) -> Path | None:
        """Where it is, from the environment or from the cache; None if it is not there."""
        chosen = os.environ.get(self.variable)
        path = Path(chosen) if chosen else self.path()
        return path if path.exists() and not _half_made(path) else None


def _half_made(path: Path) -> bool:
    if not path.is_relative_to(cache_root()):
        return False
    return not is_whole(cache_root() / path.relative_to(cache_root()).parts[0])


# The slowest first: the others are got meanwhile.
RESOURCES = {
    "llama-server": Resource("LOCALAI_TEST_LLAMA_SERVER", llama_cpp.program, llama_cpp.build),
    "newer-ollama": Resource("LOCALAI_TEST_NEWER_OLLAMA", ollama.newer_binary, ollama.build_newer),
    "ollama": Resource("LOCALAI_TEST_OLLAMA", ollama.binary, ollama.build),
    "smollm2": Resource("LOCALAI_TEST_SMOLLM2", weights.smollm2, weights.fetch_smollm2),
    "mlx-python": Resource(
        "LOCALAI_TEST_MLX_PYTHON", environments.mlx_python, environments.make_mlx
    ),
    "mlx-model": Resource("LOCALAI_TEST_MLX_MODEL", mlx_model.mlx_model, mlx_model.convert),
    "gemma3": Resource("LOCALAI_TEST_GEMMA3", weights.gemma3, weights.fetch_gemma3),
    "chat-templates": Resource(
        "LOCALAI_TEST_CHAT_TEMPLATES", chat_templates.chat_templates, chat_templates.fetch
    ),
    "registry": Resource("LOCALAI_TEST_REGISTRY", registry.binary, registry.fetch),
}

"""Quantizing a GGUF model by a running Ollama, for the types that it makes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localai.errors import Unreachable
from localai.files import sync_folder
from localai.formats.gguf_quantization import fallback_shares
from localai.library.quantization.conversion import LOSSLESS, Conversion, GgufSource, spelling
from localai.progress import WorkProgress
from localai.providers.ollama_daemon import running_ollama, target_of

if TYPE_CHECKING:
    from localai.config import Config
    from localai.paths import Paths

BITS_PER_WEIGHT: Final = {"Q4_K_S": 4.7, "Q4_K_M": 4.9, "Q8_0": 8.5}
"""Ollama's types, for an estimate of the size: SmolLM2 and Llama 3 8B both lie within 5%."""


def ollama_runs(config: Config, paths: Paths) -> bool:
    """Whether there is an Ollama that may be reached and answers."""
    return running_ollama(config, paths, os.environ) is not None


def takes(source: GgufSource) -> bool:
    """Whether Ollama quantizes the source: one file, whose type is not quantized yet."""
    return len(source.parts) == 1 and source.header.quantization in LOSSLESS


def ollama_conversion(source: GgufSource, to: str, config: Config) -> Conversion:
    """Has a running Ollama make `source`, which it takes, into the type `to`, one of
    `BITS_PER_WEIGHT`."""
    shown = spelling(to)
    made = round(source.header.parameter_count * BITS_PER_WEIGHT[to] / 8)

    def make(path: Path) -> Generator[WorkProgress, None, None]:
        return _make(source.parts[0], shown, path, config)

    fallbacks = fallback_shares(source.header, to)
    return Conversion("ollama", shown, source.size_bytes, made, make, fallbacks)


def _make(
    source: Path, to: str, target: Path, config: Config
) -> Generator[WorkProgress, None, None]:
    from localai.providers.ollama_models import quantized

    daemon = target_of(config, os.environ)
    with quantized(daemon, source, to) as (events, blob):
        yield from events
        found = blob()
        if not found.is_file():
            raise Unreachable(
                f"Ollama made it, but {found} cannot be read here",
                hint="run Ollama as the same user on this machine",
            )
        # Ollama's name is about to be removed: a link keeps the bytes.
        try:
            target.hardlink_to(found)
        except OSError:
            shutil.copyfile(found, target)
            sync_folder(target)

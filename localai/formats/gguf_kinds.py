"""What a GGUF file is by its header, if it is no model that answers text with text.

`general.type` is the GGUF specification's; the architectures are those of llama.cpp's
`llama-arch.cpp`, of the programs for pictures (stable-diffusion.cpp, ComfyUI-GGUF) and of those for
speech (TTS.cpp). An architecture without a row counts as a model that chats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from localai.errors import InvalidInput
from localai.formats.purposes import EMBEDS, PICTURES, SCORES

if TYPE_CHECKING:
    from pathlib import Path

    from localai.formats.gguf import GgufHeader

_FILMS: Final = "makes films"
_SOUND: Final = "makes or hears sound"
_DIFFUSES: Final = "writes by diffusion, which the engine does not serve"
_GUESSES: Final = "guesses ahead for another model (a draft)"

_PURPOSES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("gemma-embedding", "llama-embed", "t5encoder"), EMBEDS),
    **dict.fromkeys(("dream", "llada", "llada-moe", "rnd1"), _DIFFUSES),
    **dict.fromkeys(
        (
            "aura",
            "flux",
            "hidream",
            "lumina2",
            "qwen_image",
            "sd1",
            "sd3",
            "sdxl",
        ),
        PICTURES,
    ),
    **dict.fromkeys(("cosmos", "hyvid", "ltx2", "ltxv", "wan"), _FILMS),
    **dict.fromkeys(
        ("dia", "kokoro", "parler-tts", "wavtokenizer-dec", "whisper"),
        _SOUND,
    ),
    **dict.fromkeys(("dflash", "dspark", "eagle3"), _GUESSES),
}
# What a file is by `general.type`, if it is no model.
_NO_MODELS: Final[Mapping[str, str]] = {
    "adapter": "an adapter (LoRA), which changes another model",
    "imatrix": "an importance matrix, which is for quantizing",
    "mmproj": "a projector (mmproj), the image encoder of a model",
    "vocab": "a vocabulary without a model",
}
# llama.cpp's pooling types: mean, cls and last give an embedding of a text, rank gives a score.
_POOLING_EMBEDDING: Final = (1, 2, 3)
_POOLING_RANK: Final = 4


def no_model(header: GgufHeader) -> str | None:
    """What a file is that no engine loads by itself: "an adapter (LoRA), which …". None for a
    model."""
    if header.is_projector:
        return _NO_MODELS["mmproj"]
    return _NO_MODELS.get((header.text("general.type") or "").lower())


def require_adapter(path: Path) -> Path:
    """The whole path of the adapter in the file `path`. Raises NotFound, InvalidInput if it is
    none."""
    from localai.formats.gguf import read_header

    path = path.absolute()
    if read_header(path).text("general.type") != "adapter":
        raise InvalidInput(
            f"{path} is no adapter (LoRA) in GGUF's format",
            hint="llama.cpp's convert_lora_to_gguf.py makes one of a folder with PEFT's files",
        )
    return path


def purpose_of(header: GgufHeader) -> str | None:
    """What the model does instead of answering: "embeds texts". None for one that chats."""
    architecture = header.architecture or ""
    pooling = header.architecture_integer("pooling_type")
    if pooling == _POOLING_RANK:
        return SCORES
    if pooling in _POOLING_EMBEDDING or "bert" in architecture:
        return EMBEDS
    return _PURPOSES.get(architecture)


def embeds(header: GgufHeader) -> bool:
    """Whether the model makes embeddings of texts."""
    return purpose_of(header) == EMBEDS

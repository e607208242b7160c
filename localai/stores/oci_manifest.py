"""OCI manifests, as a registry serves them and Ollama's store keeps them: what each layer is.

No other module spells a media type out. To support another, add it to `MediaType`, and say in
`stores.ollama` what its layer means for a model of this machine.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, Final

from localai.dataclass import dataclass
from localai.patterns import lazy_pattern

MANIFEST_TYPES: Final = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
"""The types in the Accept header of a request for a manifest."""

_SHA256: Final = lazy_pattern(r"sha256:([0-9a-f]{64})")
_MOST_LAYERS: Final = 256
_LARGEST_BLOB_BYTES: Final = 1 << 44


class MediaType(StrEnum):
    """What a layer holds. Every layer is fetched and kept, also one of an unknown type."""

    MODEL = "application/vnd.ollama.image.model"
    """The weights, one GGUF file. `pull` takes only a manifest with exactly one; of a stored
    manifest the first counts."""
    PROJECTOR = "application/vnd.ollama.image.projector"
    """The projector, one GGUF file."""
    ADAPTER = "application/vnd.ollama.image.adapter"
    """A LoRA, which is applied to the model when that is loaded."""
    SYSTEM = "application/vnd.ollama.image.system"
    """The system prompt, as text."""
    PARAMETERS = "application/vnd.ollama.image.params"
    """The sampling options, as JSON."""
    MESSAGES = "application/vnd.ollama.image.messages"
    """The messages with which every conversation begins, as JSON."""
    LICENSE = "application/vnd.ollama.image.license"
    """The licence, as text."""
    TEMPLATE = "application/vnd.ollama.image.template"
    """The chat template in Go's template language. llama.cpp knows the one in the GGUF file, in
    Jinja; where the two make different prompts, this one holds."""
    CONFIG = "application/vnd.docker.container.image.v1+json"
    """The manifest's `config`, with the facts that `ollama list` shows. localai reads them from the
    GGUF header, but for `renderer`: Ollama then makes the prompt by code and not by TEMPLATE."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A checked blob of a manifest; `sha256` in hex. `media_type` may be one that `MediaType`
    lacks."""

    media_type: str
    sha256: str
    size_bytes: int

    @property
    def short_type(self) -> str:
        """The last word of the media type: model, params, license."""
        return self.media_type.rpartition(".")[2]


def read_manifest(content: bytes) -> list[Layer]:
    """Every blob of a manifest that a stranger sent, the config last.

    Raises ValueError if the manifest breaks the format, is too long, or has a digest or size that
    cannot be used. Its text continues a sentence that begins with "the manifest ".
    """
    try:
        document: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        start = content[:20].decode("utf-8", "replace").strip()
        raise ValueError(f"that is no JSON: it begins with {start!r}") from error
    if not isinstance(document, dict) or not isinstance(document.get("layers"), list):
        raise ValueError("without layers")
    entries = [*document["layers"], *([document["config"]] if document.get("config") else [])]
    if len(entries) > _MOST_LAYERS:
        raise ValueError(f"with {len(entries):,} layers")
    return [_read_layer(entry) for entry in entries]


def _read_layer(entry: Any) -> Layer:
    if not isinstance(entry, dict):
        raise ValueError("with a layer that is none")
    digest, size, media_type = entry.get("digest"), entry.get("size"), entry.get("mediaType")
    match = _SHA256.fullmatch(digest) if isinstance(digest, str) else None
    if match is None:
        raise ValueError(f"with the digest {digest!r}, which is no SHA-256")
    if type(size) is not int or not 0 <= size <= _LARGEST_BLOB_BYTES:
        raise ValueError(f"with a layer of {size!r} bytes")
    return Layer(str(media_type), match[1], size)

"""A model of the hub, as its header describes it (`hub_header`): what is kept and ranked.

Its memory and its work are computed by formula from the numbers of the header. Asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from localai.dataclass import dataclass
from localai.formats import FileFormat
from localai.formats.gguf import GgufHeader
from localai.recommend.catalogue import File, Task
from localai.sizing.memory import MemoryNeed
from localai.sizing.memory_parts import MemoryParts
from localai.sizing.speed import DecodeWork
from localai.units import count_text

if TYPE_CHECKING:
    pass

_BASIS: Final = "by its header"


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model of the hub. `dimensions` are the numbers of its header that memory depends on.

    `base` is the repository of the model that was packed, if a tag says it. `read_at` is when the
    header was read, in seconds since the epoch; `created` the day of the repository (2026-10-03),
    `downloads` those of 30 days. `vision_bytes` is the projector's size, `active_share` the part of
    the weights that a token reads. Otherwise as `catalogue.Entry`.
    """

    repo: str
    commit: str | None
    format: FileFormat
    base: str | None
    created: str | None
    downloads: int | None
    gated: bool
    license: str | None
    read_at: float
    architecture: str
    parameters: int
    active_share: float
    context_tokens: int
    capabilities: tuple[str, ...]
    tasks: tuple[Task, ...]
    files: tuple[File, ...]
    vision_bytes: int
    layers: int | None
    vocabulary: int | None
    float_bytes: int
    dimensions: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The repository, as `pull` takes it."""
        return f"hf.co/{self.repo}"

    @property
    def released(self) -> str | None:
        """The repository's month; the model itself may be older."""
        return None if self.created is None else self.created[:7]

    @property
    def mlx(self) -> str | None:
        """What to pull for Apple's engine; None for a GGUF file."""
        return self.name if self.format == "mlx" else None

    @property
    def active_parameters(self) -> int:
        """The parameters that a token reads."""
        return max(1, round(self.parameters * self.active_share))

    @property
    def note(self) -> str:
        """Where it comes from and how much it is fetched, in a few words."""
        parts = ["not in the catalogue"]
        if self.created is not None:
            parts.append(f"on the hub since {self.created}")
        if self.downloads is not None:
            parts.append(f"{count_text(self.downloads)} downloads in 30 days")
        if self.gated:
            parts.append("gated: its licence is to be accepted on its page")
        return ", ".join(parts)

    def memory(self, file: File, context_tokens: int) -> MemoryNeed:
        """The memory that the model takes with that context, by formula."""
        parts = self._context(context_tokens)
        total = file.size_bytes + parts.context_bytes + parts.compute_bytes
        return MemoryNeed(
            file.size_bytes,
            parts.context_bytes,
            parts.compute_bytes,
            total,
            context_tokens,
            "formula",
            reason=_BASIS,
        )

    def work(self, file: File, context_tokens: int) -> DecodeWork:
        """The work of decoding one token, for a prediction of speed."""
        parts = self._context(context_tokens)
        return DecodeWork(
            weights_bytes=file.size_bytes,
            active_bytes=round((file.size_bytes - self.vision_bytes) * self.active_share),
            context_bytes=parts.context_bytes,
            context_tokens=context_tokens,
            compute_bytes=parts.compute_bytes,
            layers=self.layers,
            vocabulary=self.vocabulary,
            stored=self.format,
        )

    def _context(self, tokens: int) -> MemoryParts:
        if self.format == "gguf":
            from localai.sizing.gguf_formula import gguf_memory

            return gguf_memory(_header(self.repo, self.dimensions), tokens, "f16", 1)
        from localai.sizing.mlx_formula import memory_by_config

        parts = memory_by_config(self.dimensions, self.float_bytes, 0, tokens)
        return parts or MemoryParts(0, 0, 0)


def _header(source: str, metadata: Mapping[str, Any]) -> GgufHeader:
    """A header with only the fields that memory depends on."""
    return GgufHeader(
        source=source,
        version=3,
        metadata=metadata,
        tensors=(),
        alignment=32,
        data_offset=0,
        file_bytes=0,
    )

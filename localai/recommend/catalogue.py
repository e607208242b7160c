"""The catalogue: models worth recommending, each fact with its source and date.

The facts are in catalogue.toml. Memory and the bytes that a token reads are computed from them by
the formula for headers that the engine cannot read (`localai.sizing.gguf_formula`). Before a pull,
the engine itself is asked.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import resources
from typing import Any, Final, Literal, get_args

from localai.dataclass import dataclass
from localai.formats.gguf import GgufHeader, MetadataValue
from localai.recommend.shape import Shape
from localai.sizing.gguf_formula import gguf_memory
from localai.sizing.memory import MemoryNeed
from localai.sizing.speed import DecodeWork

Task = Literal["chat", "code", "reasoning", "vision", "extract", "embed"]
TASKS: Final[tuple[Task, ...]] = get_args(Task)

_BASIS: Final = "by the catalogue's facts"


@dataclass(frozen=True, slots=True)
class Source:
    """Where facts were read: a title, its address, and the date of the version that was read."""

    what: str
    url: str
    date: date


@dataclass(frozen=True, slots=True)
class File:
    """One quantization. `name` is what `localai pull` takes. `computed`: no source gives its size,
    so the size is parameters times bits per weight."""

    name: str
    quantization: str
    size_bytes: int
    computed: bool
    source: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A model. `sources` maps the name of a fact to the key of its source.

    `released` is year and month, None if no source has it. `vision_bytes`: the part of the file
    that is the encoder of images and sound; decoding does not read it. `lookup_bytes`: the part
    that is tables of which a token reads one row for each layer. `shape` is None if no source has
    it; memory is then the file's size, and speed is unknown unless `active_parameters` are. `mlx`
    is what to pull for Apple's engine, None if no such build was looked up.
    """

    name: str
    tasks: tuple[Task, ...]
    capabilities: tuple[str, ...]
    license: str
    released: str | None
    context_tokens: int
    parameters: int
    active_parameters: int
    note: str
    architecture: str
    shape: Shape | None
    vision_bytes: int
    lookup_bytes: int
    files: tuple[File, ...]
    mlx: str | None
    sources: Mapping[str, str]

    @property
    def is_mixture(self) -> bool:
        """Whether it is a mixture of experts."""
        if self.shape is None:
            return self.active_parameters < self.parameters
        return self.shape.expert_count > 0

    def memory(self, file: File, context_tokens: int) -> MemoryNeed:
        """The memory that the model takes with that context, by formula."""
        context = compute = 0
        if self.shape is not None:
            parts = gguf_memory(_header(self, self.shape), context_tokens, "f16", 1)
            context, compute = parts.context_bytes, parts.compute_bytes
        total = file.size_bytes + context + compute
        return MemoryNeed(
            file.size_bytes, context, compute, total, context_tokens, "formula", reason=_BASIS
        )

    def work(self, file: File, context_tokens: int) -> DecodeWork | None:
        """The work of decoding one token, for a prediction of speed; None if unknown."""
        shape = self.shape
        if shape is None and not self.is_mixture:
            return None
        need = self.memory(file, context_tokens)
        lookup = 0 if shape is None else shape.lookup_parameters
        share = self.active_parameters / (self.parameters - lookup)
        read = file.size_bytes - self.vision_bytes - self.lookup_bytes
        return DecodeWork(
            weights_bytes=need.weights_bytes,
            active_bytes=round(read * share),
            context_bytes=need.context_bytes,
            context_tokens=context_tokens,
            compute_bytes=need.compute_bytes,
            layers=None if shape is None else shape.block_count,
            vocabulary=None if shape is None else shape.vocabulary,
        )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All entries, and the sources that they name."""

    entries: tuple[Entry, ...]
    sources: Mapping[str, Source]


@cache
def catalogue_date() -> date:
    """When the newest of the catalogue's sources was read."""
    return max(source.date for source in catalogue().sources.values())


@cache
def catalogue() -> Catalogue:
    """The catalogue that is part of localai."""
    text = resources.files("localai.recommend").joinpath("catalogue.toml").read_text("utf-8")
    document = tomllib.loads(text)
    bits = document["bits_per_weight"]
    return Catalogue(
        entries=tuple(_entry(table, bits) for table in document["model"]),
        sources={name: Source(**table) for name, table in document["sources"].items()},
    )


def _entry(table: Mapping[str, Any], bits: Mapping[str, Any]) -> Entry:
    shape = Shape(**table["shape"]) if "shape" in table else None
    parameters, active = _counts(table, shape)
    vision = table.get("vision_bytes", 0)
    return Entry(
        name=table["name"],
        tasks=tuple(table["tasks"]),
        capabilities=tuple(table["capabilities"]),
        license=table["license"],
        released=table.get("released"),
        context_tokens=table["context_tokens"],
        parameters=parameters,
        active_parameters=active,
        note=table["note"],
        architecture=table["architecture"],
        shape=shape,
        vision_bytes=vision,
        lookup_bytes=table.get("lookup_bytes", 0),
        files=tuple(_file(each, parameters, vision, bits) for each in table["files"]),
        mlx=table.get("mlx"),
        sources=table["sources"],
    )


def _counts(table: Mapping[str, Any], shape: Shape | None) -> tuple[int, int]:
    """All parameters, and those that a token reads: as published, else by the shape."""
    if "parameters" in table:
        return table["parameters"], table.get("active_parameters", table["parameters"])
    if shape is None:
        raise ValueError(f"{table['name']} has neither parameters nor a shape")
    return shape.parameters, shape.parameters_per_token


def _file(table: Mapping[str, Any], parameters: int, vision: int, bits: Mapping[str, Any]) -> File:
    size = table.get("bytes")
    computed = size is None
    if size is None:
        size = round(parameters * bits[table["quantization"]] / 8) + vision
    return File(table["name"], table["quantization"], size, computed, table["source"])


def _header(entry: Entry, shape: Shape) -> GgufHeader:
    """A header with only the fields that memory depends on."""
    own: dict[str, MetadataValue | None] = {
        "context_length": entry.context_tokens,
        "block_count": shape.block_count,
        "embedding_length": shape.embedding_length,
        "feed_forward_length": shape.feed_forward_length,
        "attention.head_count": shape.head_count,
        "attention.head_count_kv": shape.kv_heads(),
        "attention.key_length": shape.key_length,
        "attention.value_length": shape.value_length,
        "attention.key_length_swa": shape.key_length_swa,
        "attention.value_length_swa": shape.key_length_swa,
        "attention.sliding_window": shape.sliding_window,
        "attention.sliding_window_pattern": shape.windows(),
        "attention.shared_kv_layers": shape.shared_kv_layers,
        "attention.kv_lora_rank": shape.kv_lora_rank,
        "attention.key_length_mla": shape.key_length if shape.kv_lora_rank else 0,
        "rope.dimension_count": shape.rope_dimension_count,
        "full_attention_interval": shape.full_attention_interval,
        "ssm.inner_size": shape.ssm_inner_size,
        "ssm.state_size": shape.ssm_state_size,
        "ssm.group_count": shape.ssm_group_count,
        "ssm.conv_kernel": shape.ssm_conv_kernel,
        "expert_count": shape.expert_count,
        "expert_used_count": shape.expert_used_count,
        "expert_feed_forward_length": shape.expert_feed_forward_length,
    }
    metadata: dict[str, MetadataValue] = {"general.architecture": entry.architecture}
    metadata |= {f"{entry.architecture}.{key}": value for key, value in own.items() if value}
    return GgufHeader(
        source=entry.name,
        version=3,
        metadata=metadata,
        tensors=(),
        alignment=32,
        data_offset=0,
        file_bytes=0,
    )

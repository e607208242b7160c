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
from localai.formats.gguf import GgufHeader
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
class Shape:
    """A transformer's dimensions, in the words of a GGUF header.

    `vocabulary` is the number of tokens. `tied`: the input embedding is the output matrix too. In a
    dense model the expert fields are 0.
    """

    block_count: int
    embedding_length: int
    feed_forward_length: int
    head_count: int
    head_count_kv: int
    key_length: int
    value_length: int
    vocabulary: int
    tied: bool
    sliding_window: int = 0
    expert_count: int = 0
    expert_used_count: int = 0
    expert_feed_forward_length: int = 0

    @property
    def parameters(self) -> int:
        """The elements of all matrices. Norms and biases, a thousandth of that, are left out."""
        return self._outside_layers(tables=1 if self.tied else 2) + self._in_layers(
            self.expert_count
        )

    @property
    def parameters_per_token(self) -> int:
        """The parameters that one token reads: experts in use, no table that is only looked up."""
        return self._outside_layers(tables=1) + self._in_layers(self.expert_used_count)

    def _outside_layers(self, *, tables: int) -> int:
        return tables * self.vocabulary * self.embedding_length

    def _in_layers(self, experts: int) -> int:
        width = self.embedding_length
        queries = self.head_count * self.key_length
        attention = 2 * width * queries + width * self.head_count_kv * (
            self.key_length + self.value_length
        )
        inner = 3 * width * self.feed_forward_length
        if self.expert_count:
            router = width * self.expert_count
            inner = experts * 3 * width * self.expert_feed_forward_length + router
        return self.block_count * (attention + inner)


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
    that is the image encoder; decoding does not read it. `shape` is None if unpublished; memory is
    then the file's size and speed unknown. `mlx` is what to pull for Apple's engine, None if no
    such build was looked up.
    """

    name: str
    tasks: tuple[Task, ...]
    capabilities: tuple[str, ...]
    license: str
    released: str | None
    context_tokens: int
    parameters: int
    note: str
    architecture: str
    shape: Shape | None
    vision_bytes: int
    files: tuple[File, ...]
    mlx: str | None
    sources: Mapping[str, str]

    @property
    def active_parameters(self) -> int:
        """Parameters that a token reads; all of them where that is not known."""
        return self.parameters if self.shape is None else self.shape.parameters_per_token

    @property
    def is_mixture(self) -> bool:
        """Whether it is a mixture of experts."""
        return self.shape is not None and self.shape.expert_count > 0

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
        if self.shape is None:
            return None
        need = self.memory(file, context_tokens)
        share = self.shape.parameters_per_token / self.shape.parameters
        return DecodeWork(
            weights_bytes=need.weights_bytes,
            active_bytes=round((file.size_bytes - self.vision_bytes) * share),
            context_bytes=need.context_bytes,
            context_tokens=context_tokens,
            compute_bytes=need.compute_bytes,
            layers=self.shape.block_count,
            vocabulary=self.shape.vocabulary,
        )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All entries, and the sources that they name."""

    entries: tuple[Entry, ...]
    sources: Mapping[str, Source]


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
    parameters = table["parameters"] if shape is None else shape.parameters
    vision = table.get("vision_bytes", 0)
    return Entry(
        name=table["name"],
        tasks=tuple(table["tasks"]),
        capabilities=tuple(table["capabilities"]),
        license=table["license"],
        released=table.get("released"),
        context_tokens=table["context_tokens"],
        parameters=parameters,
        note=table["note"],
        architecture=table["architecture"],
        shape=shape,
        vision_bytes=vision,
        files=tuple(_file(each, parameters, vision, bits) for each in table["files"]),
        mlx=table.get("mlx"),
        sources=table["sources"],
    )


def _file(table: Mapping[str, Any], parameters: int, vision: int, bits: Mapping[str, Any]) -> File:
    size = table.get("bytes")
    computed = size is None
    if size is None:
        size = round(parameters * bits[table["quantization"]] / 8) + vision
    return File(table["name"], table["quantization"], size, computed, table["source"])


def _header(entry: Entry, shape: Shape) -> GgufHeader:
    """A header with only the fields that memory depends on."""
    own: dict[str, int | float | bool | str] = {
        "context_length": entry.context_tokens,
        "block_count": shape.block_count,
        "embedding_length": shape.embedding_length,
        "feed_forward_length": shape.feed_forward_length,
        "attention.head_count": shape.head_count,
        "attention.head_count_kv": shape.head_count_kv,
        "attention.key_length": shape.key_length,
        "attention.value_length": shape.value_length,
        "attention.sliding_window": shape.sliding_window,
        "expert_count": shape.expert_count,
        "expert_used_count": shape.expert_used_count,
        "expert_feed_forward_length": shape.expert_feed_forward_length,
    }
    metadata = {f"{entry.architecture}.{key}": value for key, value in own.items()}
    return GgufHeader(
        source=entry.name,
        version=3,
        metadata={"general.architecture": entry.architecture, **metadata},
        tensors=(),
        alignment=32,
        data_offset=0,
        file_bytes=0,
    )

"""The facts in a GGUF header, as one value, read from a file or from any byte range.

Owns the meaning of the keys. Reads only the header (the vocabulary is skipped), opens no network
and computes no memory: for that, `localai.sizing.memory` asks the engine.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Final

from localai.dataclass import dataclass
from localai.errors import InvalidInput, NotFound
from localai.files import missing_file
from localai.formats.gguf_container import (
    ArraySummary,
    MetadataValue,
    Scalar,
    TensorInfo,
    parse,
)
from localai.formats.gguf_reader import ReadAt
from localai.formats.quantization_types import FILE_TYPES
from localai.units import counted

__all__ = [
    "ArraySummary",
    "GgufHeader",
    "MetadataValue",
    "ReadAt",
    "TensorInfo",
    "merge_parts",
    "part_paths",
    "read_header",
    "read_header_at",
    "read_model",
]

_FILE_TYPE_GUESSED: Final = 1024

# Tables of which decoding a token reads one row. The input embedding is one, too, unless it also
# serves as the output matrix.
_LOOKUP_TABLES: Final = frozenset(
    {"per_layer_token_embd.weight", "position_embd.weight", "token_types.weight"}
)
# The names of an image encoder's tensors, where a file holds one itself; decoding does not read
# them.
_VISION: Final = ("v.", "mm.")
_EXPERTS: Final = re.compile(r"\.ffn_\w+_(?:ch)?exps\.|\.ffn_\w+\.\d+\.")
_SPLIT_NAME: Final = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")


@dataclass(frozen=True)
class GgufHeader:
    """A model's header. `file_bytes` is how long the file must be by its header; `data_offset` is
    where the header ends and tensor data begins, in bytes."""

    source: str
    version: int
    metadata: Mapping[str, MetadataValue]
    tensors: tuple[TensorInfo, ...]
    alignment: int
    data_offset: int
    file_bytes: int

    def text(self, key: str) -> str | None:
        """The string under `key`; None if it is absent, empty or something else."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) and value else None

    def integer(self, key: str) -> int | None:
        """The non-negative integer under `key`; None if it is absent or something else."""
        return _as_integer(self.metadata.get(key))

    def of_architecture(self, key: str) -> MetadataValue | None:
        """The value of `{architecture}.{key}`, e.g. `attention.sliding_window`."""
        return self.metadata.get(f"{self.architecture}.{key}")

    def architecture_integer(self, key: str) -> int | None:
        """`of_architecture(key)` as a non-negative integer, None if it is not one."""
        return _as_integer(self.of_architecture(key))

    def per_layer(self, key: str) -> tuple[int, ...] | None:
        """`of_architecture(key)` for each layer: a single number counts for all of them."""
        value = self.of_architecture(key)
        layers = self.block_count
        if layers is None or isinstance(value, ArraySummary):
            return None
        if isinstance(value, tuple):
            numbers = tuple(n for n in map(_as_integer, value) if n is not None)
            return numbers[:layers] if len(numbers) == len(value) >= layers else None
        number = _as_integer(value)
        return None if number is None else (number,) * layers

    @cached_property
    def architecture(self) -> str | None:
        """The model's architecture: llama, qwen3, gemma3, clip (a projector), …"""
        return self.text("general.architecture")

    @property
    def name(self) -> str | None:
        """The name that its makers gave the model."""
        return self.text("general.name")

    @property
    def license(self) -> str | None:
        """The licence's identifier, e.g. apache-2.0."""
        return self.text("general.license")

    @property
    def context_length(self) -> int | None:
        """The context in tokens that the model was trained for."""
        return self.architecture_integer("context_length")

    @cached_property
    def block_count(self) -> int | None:
        """The number of layers; None if it is absent or beyond any real model."""
        count = self.architecture_integer("block_count")
        return count if count is None or count <= 4096 else None

    @property
    def embedding_length(self) -> int | None:
        """The width of a token's vector between layers."""
        return self.architecture_integer("embedding_length")

    @cached_property
    def head_count(self) -> tuple[int, ...] | None:
        """Attention heads, a number for each layer (0: the layer has no attention)."""
        return self.per_layer("attention.head_count")

    @cached_property
    def head_count_kv(self) -> tuple[int, ...] | None:
        """Key/value heads, a number for each layer; as many as heads if they are absent."""
        if self.of_architecture("attention.head_count_kv") is None:
            return self.head_count
        return self.per_layer("attention.head_count_kv")

    @property
    def expert_count(self) -> int:
        """Experts in a mixture-of-experts model, 0 in a dense one."""
        return self.architecture_integer("expert_count") or 0

    @property
    def expert_used_count(self) -> int:
        """The experts that each token uses, 0 in a dense model."""
        return self.architecture_integer("expert_used_count") or 0

    @property
    def chat_template(self) -> str | None:
        """The Jinja template of a conversation; None for a base model."""
        return self.text("tokenizer.chat_template")

    @property
    def vocabulary_size(self) -> int | None:
        """How many tokens the tokenizer has."""
        tokens = self.metadata.get("tokenizer.ggml.tokens")
        if isinstance(tokens, ArraySummary):
            return tokens.count
        return len(tokens) if isinstance(tokens, tuple) else self.architecture_integer("vocab_size")

    @property
    def split_count(self) -> int:
        """How many files the model is spread over; 1 for a model in one file."""
        return self.integer("split.count") or 1

    @property
    def split_number(self) -> int:
        """The number of this file among them, from 0."""
        return self.integer("split.no") or 0

    @property
    def is_projector(self) -> bool:
        """Whether this is a projector, which turns images or sound into vectors and cannot chat."""
        return self.architecture == "clip"

    @property
    def has_vision(self) -> bool:
        """Whether the file itself has an image encoder (Ollama stores some models so)."""
        return self.is_projector or any(t.name.startswith(_VISION) for t in self.tensors)

    @cached_property
    def parameter_count(self) -> int:
        """Elements of all tensors: total parameters, also for a mixture of experts."""
        return sum(tensor.elements for tensor in self.tensors)

    @cached_property
    def tensor_bytes(self) -> int:
        """The stored size of all tensors."""
        return sum(tensor.size_bytes for tensor in self.tensors)

    @cached_property
    def tied_embeddings(self) -> bool:
        """Whether the input embedding is the output matrix too."""
        names = {tensor.name for tensor in self.tensors}
        return "token_embd.weight" in names and "output.weight" not in names

    @cached_property
    def active_bytes_per_token(self) -> int:
        """The bytes of weights that decoding one token reads: what limits the speed.

        Of the experts only those used count; lookup tables and an image encoder do not count.
        """
        share = 1.0
        if 0 < self.expert_used_count < self.expert_count:
            share = self.expert_used_count / self.expert_count
        total = 0.0
        for tensor in self.tensors:
            if tensor.name in _LOOKUP_TABLES or tensor.name.startswith(_VISION):
                continue
            if tensor.name == "token_embd.weight" and not self.tied_embeddings:
                continue
            total += tensor.size_bytes * (share if _EXPERTS.search(tensor.name) else 1.0)
        return round(total)

    @cached_property
    def quantization(self) -> str | None:
        """The type of the weights, e.g. Q4_K_M: the label in the file, else the tensor type that
        has most bytes. None for a file without tensors."""
        file_type = self.integer("general.file_type")
        if file_type is not None and (label := FILE_TYPES.get(file_type & ~_FILE_TYPE_GUESSED)):
            return label
        size_by_type: dict[str, int] = {}
        for tensor in self.tensors:
            size_by_type[tensor.type] = size_by_type.get(tensor.type, 0) + tensor.size_bytes
        return max(size_by_type, key=lambda name: size_by_type[name], default=None)


def read_header(path: Path) -> GgufHeader:
    """The header of the file at `path`. Raises NotFound, or InvalidInput if it is no whole GGUF
    file. Takes about 5 ms for a vocabulary of 50,000 tokens."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InvalidInput(f"{path} is not a file", hint="name the .gguf file itself")
        with path.open("rb", buffering=0) as file:

            def read(offset: int, length: int) -> bytes:
                file.seek(offset)
                return file.read(length)

            return read_header_at(read, name=str(path), size_bytes=status.st_size)
    except FileNotFoundError as error:
        raise missing_file(path) from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error


def read_header_at(read: ReadAt, *, name: str, size_bytes: int | None) -> GgufHeader:
    """The header behind `read(offset, length)`: a file, or a server asked by HTTP Range.

    `read` returns at least one byte from `offset` on, also fewer or more than asked, and b"" at the
    end. It is called with growing lengths, and never for bytes before the last call's `offset`.
    `name` is used in error messages. With `size_bytes`, the whole length, a truncated file is
    refused.
    """
    container = parse(read, name, size_bytes)
    return GgufHeader(
        source=name,
        version=container.version,
        metadata=container.metadata,
        tensors=container.tensors,
        alignment=container.alignment,
        data_offset=container.data_offset,
        file_bytes=container.expected_bytes,
    )


def read_model(path: Path) -> GgufHeader:
    """The header of a whole model; if it is split, of all its files, read from the first.

    Raises NotFound for a missing part, besides what `read_header` raises.
    """
    first = read_header(path)
    if first.split_count == 1:
        return first
    parts = part_paths(path, first)
    if missing := [part.name for part in parts if not part.exists()]:
        raise NotFound(
            f"{path} is one of {counted(len(parts), 'part')}, and beside it is no {missing[0]}",
            hint="all parts of a model lie in one folder: fetch what is missing",
        )
    return merge_parts(map(read_header, parts))


def part_paths(path: Path, header: GgufHeader) -> tuple[Path, ...]:
    """Every file of the model to which `path` belongs, in order; just `path` if it is whole."""
    if header.split_count == 1:
        return (path,)
    match = _SPLIT_NAME.search(path.name)
    if match is None or int(match[2]) != header.split_count:
        raise InvalidInput(
            f"{path} is part {header.split_number + 1} of {header.split_count}, "
            "but its name does not say so",
            hint=f"its parts are called NAME-00001-of-{header.split_count:05}.gguf",
        )
    stem = path.name[: match.start()]
    return tuple(
        path.with_name(f"{stem}-{number:05}-of-{match[2]}.gguf")
        for number in range(1, header.split_count + 1)
    )


def merge_parts(parts: Iterable[GgufHeader]) -> GgufHeader:
    """One header for a model in several files: the first one's metadata, all tensors.

    Offsets stay relative to each tensor's own file; `file_bytes` is the sum.
    """
    headers = list(parts)
    return replace(
        headers[0],
        tensors=tuple(tensor for header in headers for tensor in header.tensors),
        file_bytes=sum(header.file_bytes for header in headers),
    )


def _as_integer(value: MetadataValue | Scalar | None) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if value >= 0 else None

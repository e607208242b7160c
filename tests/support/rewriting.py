"""A GGUF file as it is but for some of its metadata, layers and words; what stays is copied
unread."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from localai.formats.gguf_container import TensorInfo
from localai.formats.gguf_rewriting import (
    GgufSource,
    header_bytes,
    integer_metadata,
    open_gguf,
    padding,
)

_STRING = 8
_OF_EACH_WORD = ("tokenizer.ggml.tokens", "tokenizer.ggml.token_type")
_MERGES = "tokenizer.ggml.merges"


def rewrite(
    source: Path,
    target: Path,
    metadata: Mapping[str, str | int] | None = None,
    *,
    layers: int | None = None,
    words: int | None = None,
) -> None:
    """Write the file `source` at `target` with these values, its first `layers` and its first
    `words` only. The words of a byte-pair vocabulary stand in the order of their merges, so that
    the first ones are a vocabulary of their own."""
    changed = {**(metadata or {})}
    with open_gguf(source) as whole, target.open("wb") as file:
        header = whole.container
        if layers is not None:
            changed[f"{header.metadata['general.architecture']}.block_count"] = layers
        if words is not None:
            changed[f"{header.metadata['general.architecture']}.vocab_size"] = words
        kept = [_kept(whole, key, words) for key in header.metadata if key not in changed]
        tensors = [
            (tensor, tensor if words is None else _with_words(tensor, words))
            for tensor in header.tensors
            if layers is None
            or (match := re.match(r"blk\.(\d+)\.", tensor.name)) is None
            or int(match[1]) < layers
        ]
        values = [_entry(key, value) for key, value in changed.items()]
        made = [new for _, new in tensors]
        file.write(header_bytes([*kept, *values], made, header.alignment))
        for old, new in tensors:
            file.write(whole.data(old)[: new.size_bytes])
            file.write(padding(new.size_bytes, header.alignment))


def _kept(whole: GgufSource, key: str, words: int | None) -> bytes:
    """The entry `key`, of a list of words the first ones."""
    entry = whole.metadata(key)
    if words is None or key not in (*_OF_EACH_WORD, _MERGES):
        return entry
    begin = 8 + len(key.encode()) + 8
    [kind] = struct.unpack_from("<I", entry, begin - 4)
    [count] = struct.unpack_from("<Q", entry, begin)
    if key == _MERGES:
        [of_all] = struct.unpack_from(
            "<Q", whole.metadata(_OF_EACH_WORD[0]), 8 + len(_OF_EACH_WORD[0]) + 8
        )
        words -= of_all - count
    end = begin + 8
    for _ in range(words):
        end += 8 + struct.unpack_from("<Q", entry, end)[0] if kind == _STRING else 4
    return entry[:begin] + struct.pack("<Q", words) + entry[begin + 8 : end]


def _with_words(tensor: TensorInfo, words: int) -> TensorInfo:
    if tensor.name not in ("token_embd.weight", "output.weight"):
        return tensor
    width, all_words = tensor.shape
    return replace(tensor, shape=(width, words), size_bytes=tensor.size_bytes // all_words * words)


def _entry(key: str, value: str | int) -> bytes:
    if isinstance(value, int):
        return integer_metadata(key, value)
    name, text = key.encode(), value.encode()
    length = struct.Struct("<Q").pack
    return length(len(name)) + name + struct.pack("<I", _STRING) + length(len(text)) + text

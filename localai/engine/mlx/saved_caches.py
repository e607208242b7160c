"""KV caches on disk: written when a conversation leaves memory, found again by its tokens.

    FOLDER/<16 hex of model and engine>/<32 hex of the content>.safetensors

A file is named after its content, so a damaged one is recognised and removed: it costs time, never
correctness. The folder of all models together is bounded; the least recently used files are removed
first. Only the worker imports this module, and only its computing thread calls it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import can_trim_prompt_cache, load_prompt_cache, save_prompt_cache

from localai.files import file_sha256

DISK_LIMIT_BYTES = 4 << 30
_LARGEST_HEADER_BYTES = 64 << 20
_NAME_LENGTH = 32


class SavedCaches:
    """The saved caches of one model and engine, `identity`, below `root`."""

    def __init__(self, root: Path, identity: str, limit_bytes: int = DISK_LIMIT_BYTES) -> None:
        self._root = root
        self._folder = root / hashlib.sha256(identity.encode()).hexdigest()[:16]
        self._limit_bytes = limit_bytes

    def load(self, prompt: Sequence[int], better_than: int) -> tuple[list[int], list[Any]] | None:
        """The tokens and the cache that save most of `prompt`, if they save more than `better_than`
        tokens."""
        found = [(common_length(tokens, prompt), file, tokens) for file, tokens in self._entries()]
        for common, file, tokens in sorted(found, key=lambda entry: entry[0], reverse=True):
            if common <= better_than:
                return None
            cache = _read(file)
            if cache is None:
                file.unlink(missing_ok=True)
                continue
            is_beginning = common == len(tokens) < len(prompt)
            if is_beginning or can_trim_prompt_cache(cache):
                os.utime(file)
                return tokens, cache
        return None

    def save(self, tokens: Sequence[int], cache: list[Any]) -> None:
        """Write a cache, unless it is larger than the limit or than half of the free disk.

        Files of an earlier stage of the conversation are removed. A file of a longer stage makes
        this one unnecessary. A failed write costs time, and is only logged.
        """
        try:
            self._save(tokens, cache)
        except (OSError, RuntimeError, ValueError) as error:
            print(f"a cache was not written: {error!r}", file=sys.stderr, flush=True)  # noqa: T201

    def _save(self, tokens: Sequence[int], cache: list[Any]) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        size = sum(layer.nbytes for layer in cache)
        if size > min(self._limit_bytes, shutil.disk_usage(self._folder).free // 2):
            return
        entries = self._entries()
        if any(_begins(tokens, old) for _, old in entries):
            return
        shorter = [file for file, old in entries if _begins(old, tokens)]
        self._write(tokens, cache)
        for file in shorter:
            file.unlink(missing_ok=True)
        self._evict()

    def _write(self, tokens: Sequence[int], cache: list[Any]) -> None:
        temporary = self._folder / f"writing-{os.getpid()}.safetensors"
        try:
            save_prompt_cache(str(temporary), cache, {"tokens": " ".join(map(str, tokens))})
            temporary.replace(self._folder / f"{_content_name(temporary)}.safetensors")
        finally:
            temporary.unlink(missing_ok=True)

    def _entries(self) -> list[tuple[Path, list[int]]]:
        entries = []
        for file in self._folder.glob("*.safetensors"):
            if len(file.stem) == _NAME_LENGTH and (tokens := _tokens_of(file)):
                entries.append((file, tokens))
        return entries

    def _evict(self) -> None:
        """Keep the folder of all models within its limit, and remove the files of killed
        writers."""
        files = []
        for file in self._root.glob("*/*.safetensors"):
            with contextlib.suppress(FileNotFoundError):
                status = file.stat()
                files.append((status.st_mtime, status.st_size, file))
        total = sum(size for _, size, _ in files)
        for _, size, file in sorted(files):
            if total <= self._limit_bytes:
                return
            file.unlink(missing_ok=True)
            total -= size


def common_length(first: Sequence[int], second: Sequence[int]) -> int:
    """The number of tokens with which both begin."""
    pairs = zip(first, second, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _begins(old: Sequence[int], tokens: Sequence[int]) -> bool:
    return common_length(old, tokens) == len(old)


def _tokens_of(file: Path) -> list[int] | None:
    """The tokens in a file's header, without reading the tensors; None if the file is broken."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > _LARGEST_HEADER_BYTES:
                return None
            metadata = json.loads(stream.read(length))["__metadata__"]
        # mlx-lm writes our metadata as the first of its three entries.
        return [int(token) for token in metadata["0.tokens"].split()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _read(file: Path) -> list[Any] | None:
    """The cache in `file`; None if the content is not what was written."""
    try:
        if _content_name(file) != file.stem:
            return None
        cache: list[Any] = load_prompt_cache(str(file))
        # MLX reads lazily: the file may be gone by the time its content is needed.
        mx.eval([layer.state for layer in cache])
    except (OSError, RuntimeError, ValueError, KeyError):
        return None
    return cache


def _content_name(file: Path) -> str:
    return file_sha256(file)[:_NAME_LENGTH]

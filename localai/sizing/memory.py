"""How much memory a model takes at a context: the engine's own projection, remembered.

The engine is asked in a child process (`localai.engine.llamacpp.memory_projection`). It needs only
the file's header, so the projection works before a model is downloaded. If the engine cannot say, a
formula is used; `MemoryNeed.basis` says which of the two it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Literal

from localai.dataclass import dataclass
from localai.engine.llamacpp.log import DeviceShare
from localai.engine.llamacpp.memory_projection import project_memory
from localai.engine.worker_files import KvType
from localai.errors import InvalidInput, LocalaiError, Unreachable
from localai.files import content_key
from localai.formats.gguf import GgufHeader, merge_parts, read_header_at, read_model
from localai.remembered import Remembered
from localai.sizing.gguf_formula import gguf_memory
from localai.sizing.memory_parts import MemoryParts
from localai.temporary import TemporaryFolder

# Version of the remembered format; raise it when that changes.
_CACHE_VERSION: Final = 2
_MOST: Final = 2000


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """The memory that a model takes with a context of `context_tokens`, in bytes.

    `devices` has the memory on each device, by the engine's names; a formula knows no devices.
    `reason` says why there is only a formula.
    """

    weights_bytes: int
    context_bytes: int
    compute_bytes: int
    total_bytes: int
    context_tokens: int
    basis: Literal["engine", "formula"]
    devices: tuple[DeviceShare, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class HeaderFile:
    """A GGUF file that is not on this machine: its name, at least its whole header, and its full
    size.

    `header` has the first `GgufHeader.data_offset` bytes of the file, or more.
    """

    name: str
    header: bytes
    size_bytes: int


def project(
    model: Path | HeaderFile | Sequence[HeaderFile],
    context_tokens: int,
    *,
    kv_type: KvType = "f16",
    slots: int = 1,
    cache_folder: Path | None = None,
    digest: str | None = None,
) -> MemoryNeed:
    """The memory of `model`: a GGUF file (the first, of several), an MLX folder, or in order the
    headers of files that are elsewhere.

    Takes half a second in a child, unless `cache_folder` has the result. Its key is `digest`, else
    the file's content key, else the headers' own bytes. Raises NotFound and InvalidInput if there
    is no such model.
    """
    if context_tokens < 1 or slots < 1:
        raise InvalidInput("the context and the slots must be at least 1")
    if isinstance(model, Path) and model.is_dir():
        return _mlx_need(model, context_tokens, slots)
    files = (model,) if isinstance(model, HeaderFile) else model
    remembered = None
    if cache_folder is not None:
        remembered = Remembered(cache_folder / "memory.json", version=_CACHE_VERSION, most=_MOST)
        settings = f"{context_tokens} {kv_type} {slots} {_engine_version()}"
        key = f"{digest or _content_key(files)} {settings}"
        if (known := _read_need(remembered.get(key))) is not None:
            return known
    try:
        need = _ask_engine(files, context_tokens, kv_type, slots)
    except (Unreachable, OSError) as error:
        reason = error.message if isinstance(error, LocalaiError) else str(error)
        parts = gguf_memory(_header(files), context_tokens, kv_type, slots)
        return _from_formula(parts, context_tokens, reason)
    if remembered is not None:
        remembered.put(key, asdict(need))
        remembered.save()
    return need


def _mlx_need(folder: Path, context_tokens: int, slots: int) -> MemoryNeed:
    from localai.formats.mlx_folder import read_folder
    from localai.sizing.mlx_formula import projected_memory

    need = projected_memory(read_folder(folder), context_tokens)
    if need is None:
        raise InvalidInput(
            f"{folder / 'config.json'} does not say how large the model's layers are"
        )
    parts = MemoryParts(need.weights_bytes, need.context_bytes * slots, need.compute_bytes)
    return _from_formula(parts, context_tokens, "MLX does not say before it loads")


def _ask_engine(
    files: Path | Sequence[HeaderFile], context_tokens: int, kv_type: KvType, slots: int
) -> MemoryNeed:
    if isinstance(files, Path):
        shares = project_memory(files, context_tokens, kv_type=kv_type, slots=slots)
    else:
        with TemporaryFolder() as folder:
            first = _write_sparse(files, Path(folder))
            shares = project_memory(first, context_tokens, kv_type=kv_type, slots=slots)
    weights = sum(share.weights_bytes for share in shares)
    context = sum(share.context_bytes for share in shares)
    compute = sum(share.compute_bytes for share in shares)
    total = weights + context + compute
    return MemoryNeed(weights, context, compute, total, context_tokens, "engine", shares)


def _write_sparse(files: Sequence[HeaderFile], folder: Path) -> Path:
    """Write files of the right sizes with only their headers in them. Returns the path of the
    first."""
    paths = []
    for number, file in enumerate(files, 1):
        name = "model.gguf"
        if len(files) > 1:
            name = f"model-{number:05}-of-{len(files):05}.gguf"
        path = folder / name
        with path.open("wb") as output:
            output.write(file.header)
            output.truncate(file.size_bytes)
        paths.append(path)
    return paths[0]


def _header(files: Path | Sequence[HeaderFile]) -> GgufHeader:
    if isinstance(files, Path):
        return read_model(files)
    return merge_parts(_remote_header(file) for file in files)


def _remote_header(file: HeaderFile) -> GgufHeader:
    return read_header_at(
        lambda offset, length: file.header[offset : offset + length],
        name=file.name,
        size_bytes=file.size_bytes,
    )


def _from_formula(parts: MemoryParts, context_tokens: int, reason: str) -> MemoryNeed:
    return MemoryNeed(
        parts.weights_bytes,
        parts.context_bytes,
        parts.compute_bytes,
        parts.total_bytes,
        context_tokens,
        "formula",
        reason=reason,
    )


def _content_key(files: Path | Sequence[HeaderFile]) -> str:
    if isinstance(files, Path):
        try:
            return content_key(files)
        except OSError:
            return str(files.absolute())
    sizes = ",".join(str(file.size_bytes) for file in files)
    headers = (hashlib.sha256(file.header).hexdigest() for file in files)
    return f"{','.join(headers)}-{sizes}"


def _engine_version() -> str:
    try:
        return version("xllamacpp")
    except PackageNotFoundError:
        return "none"


def _read_need(remembered: Any) -> MemoryNeed | None:
    """The remembered need; None if there is none, or it cannot be read."""
    try:
        devices = tuple(DeviceShare(**share) for share in remembered["devices"])
        return MemoryNeed(**{**remembered, "devices": devices})
    except (TypeError, KeyError):
        return None
